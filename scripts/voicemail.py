"""A mailbox: takes messages, keeps them on disk, sends them by e-mail, plays them to its owner.

Callers hear a greeting and a tone and are recorded until they press # or hang up. Who presses *
during the greeting, and knows the PIN, hears the messages: 1 again, 2 the next one, 3 deletes.

Which mailbox a call is for, it says in the header `P-App-Param: mailbox=NAME`; without it there is
one mailbox, `default`. `voicemail.conf` beside `ivr.conf` (or beside this file) may set:

    folder     where messages are kept (default: ivrbench-voicemail in the system's folder for
               temporary files); each mailbox is a folder in it, with a greeting.wav if you like
    limit      the longest message in seconds (default: 120)
    pin        what the owner has to press (default: none; then nobody can listen by telephone)
    mail_to    an e-mail address; every message is sent there too
    mail_from  the sender (default: mail_to)
    smtp       the mail server, HOST or HOST:PORT (default: localhost)
"""

import asyncio
import contextlib
import hmac
import os
import re
import smtplib
import tempfile
import time
from email.message import EmailMessage

from ivr import *
from log import *

WAV = os.path.join(os.path.dirname(__file__), "wav")
FOLDER = config.get("folder") or os.path.join(tempfile.gettempdir(), "ivrbench-voicemail")
LIMIT_S = float(config.get("limit", "120"))
PIN = config.get("pin", "")
MAIL_TO = config.get("mail_to", "")
MAIL_FROM = config.get("mail_from", MAIL_TO)
SMTP = config.get("smtp", "localhost")

SHORTEST_MS = 1000  # who says nothing for a second leaves no message
PIN_TRIES = 3
WAIT_S = 6.0


class IvrDialog(IvrDialogBase):
    async def onSessionStart(self):
        """The whole call, from top to bottom; see survey.py about this style."""
        self.box = folder_of(self.getAppParam("mailbox"))
        if await self.play(greeting_of(self.box), stop_on="*#") == "*" and PIN:
            await self.listen()
        else:
            await self.take_message()
        self.stopSession()

    def onBye(self):
        self.stopSession()

    # What follows is our own, not called by the server.

    async def take_message(self):
        stamp = time.strftime("%Y%m%d-%H%M%S-")
        path = os.path.join(self.box, stamp + self.dialog.local_tag + ".wav")
        part = path + ".part.wav"  # the owner does not hear it before it is complete
        await self.play(prompt("tone"))
        began = time.monotonic()
        try:
            length_ms = await self.record(part, LIMIT_S, stop_on="#")
        except HungUp:
            length_ms = round((time.monotonic() - began) * 1000)
        if length_ms < SHORTEST_MS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
            info("no message from %s", self.dialog.remote_party)
            return
        os.rename(part, path)
        info("message from %s: %s", (self.dialog.remote_party, path))
        if MAIL_TO:
            await asyncio.to_thread(send, path, self.dialog.remote_party)
        await self.play(prompt("saved"))  # ends the handler here if the caller is gone

    async def listen(self):
        for _ in range(PIN_TRIES):
            keys = await self.collect(16, WAIT_S, "#", prompt=prompt("pin"))
            if hmac.compare_digest(keys, PIN):
                await self.play_messages()
                return
            warn("wrong PIN from %s", self.dialog.remote_party)
            await self.play(prompt("wrong_pin"))
        await self.play(prompt("refused"))

    async def play_messages(self):
        for name in sorted(os.listdir(self.box)):
            if name == "greeting.wav" or not name.endswith(".wav") or name.endswith(".part.wav"):
                continue
            path = os.path.join(self.box, name)
            key = "1"
            while key == "1":
                key = await self.play(prompt("message"), path, stop_on="123")
                if not key:
                    key = await self.collect(1, WAIT_S, "", prompt=prompt("message_menu"))
            if key == "3":
                os.unlink(path)
                await self.play(prompt("deleted"))
        await self.play(prompt("no_messages"))


def prompt(name):
    return os.path.join(WAV, name + ".wav")


def folder_of(name):
    """The folder of a mailbox, made with the first call."""
    if not re.fullmatch(r"\w[\w.-]*", name):  # nothing that leads out of FOLDER
        name = "default"
    box = os.path.join(FOLDER, name)
    os.makedirs(box, exist_ok=True)
    return box


def greeting_of(box):
    own = os.path.join(box, "greeting.wav")
    return own if os.path.exists(own) else prompt("greeting")


def send(path, caller):
    """Send a message by e-mail; in a thread, since mail servers take their time."""
    mail = EmailMessage()
    caller = " ".join(caller.split())  # a header is one line
    mail["Subject"] = f"Message from {caller}"
    mail["From"], mail["To"] = MAIL_FROM, MAIL_TO
    mail.set_content("A caller left a message, which is attached.")
    with open(path, "rb") as file:
        name = os.path.basename(path)
        mail.add_attachment(file.read(), maintype="audio", subtype="wav", filename=name)
    host, _, port = SMTP.partition(":")
    try:
        with smtplib.SMTP(host, int(port or 25), timeout=30) as server:
            server.send_message(mail)
    except OSError as exc:  # smtplib's errors are of this kind too
        error("%s was not sent to %s: %s", (path, MAIL_TO, exc))
