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
sox -q -n -r 8000 -b 16 -c 1 tone.wav synth 0.3 sine 1000 fade 0.01 0.3 0.01 gain -n -9
