"""What is remembered of a server's reply."""

from __future__ import annotations

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Fate, Recipient
from mailbox_d.relay.dispatch.outcomes import Tried, outcomes
from mailbox_d.relay.peer.failures import peer_reply
from mailbox_d.relay.ports import Handed
from mailbox_d.wire.smtp.peer_replies import ReplyReader

CAROL = Recipient(EmailAddress.parse("carol@elsewhere.example"))


@pytest.mark.parametrize(
    ("said", "fate", "status", "words"),
    [
        (b"550 5.1.1 <carol>: unknown", Fate.FAILED, "5.1.1", "550 5.1.1 <carol>: unknown"),
        (b"450-4.2.0 Not\r\n450 4.2.0 now", Fate.DEFERRED, "4.2.0", "450 4.2.0 Not now"),
        (b"550 unknown", Fate.FAILED, "5.0.0", "550 unknown"),
        (b"550 4.2.0 Not now", Fate.FAILED, "5.0.0", "550 4.2.0 Not now"),
        (b"550 5.1.1", Fate.FAILED, "5.1.1", "550 5.1.1"),
        (b"550", Fate.FAILED, "5.0.0", "550"),
    ],
)
def test_a_servers_words_are_told_as_it_said_them(said: bytes, fate: Fate, status: str, words: str) -> None:
    reader = ReplyReader(512, 4096)
    reader.feed(said + b"\r\n")
    reply = reader.next_reply()
    assert reply is not None
    (attempt,) = outcomes([Handed(CAROL, peer_reply(reply), taken=False)], Tried(), 0.0)
    assert (attempt.fate, attempt.status, attempt.reply) == (fate, status, words)
