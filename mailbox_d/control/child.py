"""What child processes do for operators' requests: they measure messages, or answer FETCH. See `net/child`."""

from __future__ import annotations

from collections.abc import Sequence

from mailbox_d.control.rework import ANSWERS
from mailbox_d.imap.fetch import child as index_child
from mailbox_d.store.upkeep import contents

ENTRY = "mailbox_d.control.child:work"


def work(asked: Sequence[bytes]) -> list[bytes]:
    """Answer a question, by its first word."""
    word, *rest = asked
    if word == contents.MEASURE:
        return contents.answer(rest)
    if word == ANSWERS:
        return index_child.work(rest)
    raise ValueError("nobody asks this")
