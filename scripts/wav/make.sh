#!/bin/sh
# Makes the prompts of the example scripts again: needs espeak-ng and sox.
# 8 kHz, 16-bit, mono; silence cut off at both ends; peaks at -3 dBFS.
set -eu
cd "$(dirname "$0")"

say() {
    espeak-ng -v en-gb -s 155 -p 45 --stdout "$2" |
        sox -q -t wav - -r 8000 -b 16 -c 1 "$1.wav" \
            silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad 0.05 0.15 gain -n -3
}

say hello "Hello. This is I V R bench, and your call works. Goodbye."
say main "For opening hours, press one. For directions, two. To hear this again, star."
say hours "For weekdays, press one. For the weekend, press two. To go back, press zero."
say weekdays "On weekdays we are open from nine to five."
say weekend "At the weekend we are closed."
say directions "Take tram number twelve to the last stop."
say unknown "Sorry, that key does nothing here."
say goodbye "Thank you for calling. Goodbye."
say leave_message "Please speak after the tone. Press hash when you are done."
say review "To listen, press one. To record again, press two. To keep it, press hash."
say empty "I did not hear anything."
say saved "Your message has been saved. Goodbye."
say announcement "The office is closed until Monday. Please call again then."
say pin "Please enter your PIN, and press hash."
say wrong_pin "That PIN is not right."
say accepted "Thank you. Your PIN is right."
say refused "Sorry. Goodbye."
say survey_welcome "Three short questions. Press one for no, to five for yes."
say survey_waiting "Were you helped quickly?"
say survey_friendly "Were we friendly?"
say survey_again "Would you call us again?"
say survey_key "Please press a key from one to five."
say survey_thanks "Thank you for your answers. Goodbye."
say greeting "Nobody is here. Please leave a message after the tone. When done, press hash."
say message "Message."
say message_menu "Again, press one. The next one, two. To delete it, three."
say deleted "Deleted."
say callback_soon "We will call you back in a moment. Goodbye."
say callback_here "Here is the call you asked for. Goodbye."
say no_messages "There are no more messages. Goodbye."
sox -q -n -r 8000 -b 16 -c 1 tone.wav synth 0.3 sine 1000 fade 0.01 0.3 0.01 gain -n -9
# Music to wait with: a broken chord, up and down, mu-law so that five seconds stay small.
note() { echo "|sox -n -p synth 0.31 pluck $1 fade 0.005 0.31 0.04"; }
sox -q "$(note C4)" "$(note E4)" "$(note G4)" "$(note C5)" "$(note E5)" "$(note C5)" \
    "$(note G4)" "$(note E4)" "$(note A3)" "$(note C4)" "$(note E4)" "$(note A4)" \
    "$(note C5)" "$(note A4)" "$(note E4)" "$(note C4)" \
    -r 8000 -e mu-law -c 1 music.wav gain -n -6
