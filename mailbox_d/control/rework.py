"""What the index says, worked out anew: FETCH's answers, as child processes find them."""

from __future__ import annotations

from collections.abc import Sequence

from mailbox_d.config.limits import Limits
from mailbox_d.imap.fetch import child as index_child
from mailbox_d.imap.fetch.remembered import attributes_of, name_of
from mailbox_d.imap.search import record as search_record
from mailbox_d.limits import mime_limits
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.store.upkeep.reindexing import Wanted
from mailbox_d.wire.imap.fetch import FetchItem

ANSWERS = b"answers"
"""The first word of a question about FETCH's answers."""

_USUAL = ((FetchItem.ENVELOPE,), (FetchItem.ENVELOPE, FetchItem.BODYSTRUCTURE))


def text_name(limits: Limits) -> bytes:
    """Under which name SEARCH keeps texts within these limits."""
    return search_record.name_of(mime_limits(limits), limits.imap_search_text)


class FetchAnswers(Wanted):
    """The index as IMAP fills it, within these limits."""

    def __init__(self, limits: MimeLimits) -> None:
        self._limits = limits

    def is_known(self, attribute: bytes) -> bool:
        return attributes_of(attribute, self._limits) is not None

    def question(self, attributes: Sequence[bytes], paths: Sequence[bytes]) -> list[bytes]:
        return [ANSWERS, *index_child.question(self._limits, attributes, paths)]

    def answers(self, answered: Sequence[bytes], attributes: int) -> list[Sequence[bytes]]:
        return index_child.answers(answered, attributes)

    def usual(self) -> Sequence[bytes]:
        return [name for each in _USUAL if (name := name_of(each, self._limits)) is not None]
