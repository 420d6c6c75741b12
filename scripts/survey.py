"""Ask three questions and keep the answers in a database: the style of `async def`.

A handler that is `async def` can wait: for a prompt to end, for a key. So a whole call reads from
top to bottom, without states. It runs on the server's event loop: what takes long and does not
wait by `await` (a database, a file) belongs into a thread, as `asyncio.to_thread` makes one.

`survey.conf` beside `ivr.conf` (or beside this file) may set `database`, the SQLite file (default:
ivrbench-survey.db in the system's folder for temporary files). To see what was answered:

    sqlite3 ivrbench-survey.db 'select question, avg(answer), count(*) from answers group by 1'
"""

import asyncio
import os
import sqlite3
import tempfile

from ivr import *
from log import *

WAV = os.path.join(os.path.dirname(__file__), "wav")
DATABASE = config.get("database") or os.path.join(tempfile.gettempdir(), "ivrbench-survey.db")
QUESTIONS = ("survey_waiting", "survey_friendly", "survey_again")
TRIES = 2
WAIT_S = 6.0


class IvrDialog(IvrDialogBase):
    async def onSessionStart(self):
        await self.play(prompt("survey_welcome"), stop_on="12345")
        for question in QUESTIONS:
            answer = await self.ask(question)
            self.vars[question] = answer or "no answer"  # the workbench shows these
            if answer:
                await asyncio.to_thread(store, self.dialog.callid, question, int(answer))
        await self.play(prompt("survey_thanks"))
        self.stopSession()

    def onBye(self):
        """The caller hung up: whatever was waited for has ended by then. Answers are kept."""
        self.stopSession()

    # What follows is our own, not called by the server.

    async def ask(self, question):
        """One question; gives the key, "" if there was none after all."""
        for _ in range(TRIES):
            answer = await self.collect(1, WAIT_S, "", prompt=prompt(question))
            if answer and answer in "12345":
                return answer
            await self.play(prompt("survey_key"))
        return ""


def prompt(name):
    return os.path.join(WAV, name + ".wav")


def store(call, question, answer):
    """Write one answer down; in a thread."""
    with sqlite3.connect(DATABASE, timeout=10) as database:
        database.execute(
            "create table if not exists answers (at text, call text, question text, answer integer)"
        )
        row = (call, question, answer)
        database.execute("insert into answers values (datetime('now'), ?, ?, ?)", row)
    database.close()
    info("%s: %s = %d", row)
