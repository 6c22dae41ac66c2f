"""The servers under test: for each folder of dialogues, what makes a connection to its server in memory.

A factory takes the dialogue's options (all of them; an unknown one raises `KeyError` or `TypeError`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.dialogues import imap_server, pop3_server, smtp_servers
from tests.dialogues.memory import Connection

Factory = Callable[[Mapping[str, str]], Connection]

SERVERS: dict[str, Factory] = {
    "smtp": smtp_servers.smtp,
    "submission": smtp_servers.submission,
    "lmtp": smtp_servers.lmtp,
    "imap": imap_server.imap_dialogue,
    "pop3": pop3_server.pop3_dialogue,
}
