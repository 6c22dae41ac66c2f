"""The messages that somebody works on just now: one state for each, shared by all who do."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mailbox_d.queue.outcomes import MessageState
from mailbox_d.queue.spool import Spool

_KEPT = 1000
"""Of messages that have just come, and are about to be sent."""

_RECIPIENTS_KEPT = 20
"""A message with more is read again."""


@dataclass(slots=True, eq=False)
class _Open:
    """A message's state, None until it is read; whoever changes it holds the guard."""

    users: int = 0
    state: MessageState | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)


class OpenMessages:
    """States by identifier, read at first use and forgotten after the last. Safe for threads."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._guard = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._new: OrderedDict[str, MessageState] = OrderedDict()

    def remember(self, state: MessageState) -> None:
        """A message has come: whoever opens it first need not read it."""
        if len(state.message.envelope.recipients) > _RECIPIENTS_KEPT:
            return
        with self._guard:
            if state.message.identifier in self._open:  # somebody has read it already, and may have changed it
                return
            self._new[state.message.identifier] = state
            if len(self._new) > _KEPT:
                self._new.popitem(last=False)

    def pin(self, identifier: str) -> None:
        """Keep the state until `unpin`."""
        with self._guard:
            self._open.setdefault(identifier, _Open()).users += 1

    def unpin(self, identifier: str) -> None:
        with self._guard:
            opened = self._open[identifier]
            opened.users -= 1
            if not opened.users:
                del self._open[identifier]

    @contextmanager
    def use(self, identifier: str) -> Iterator[MessageState | None]:
        """The state, for nobody else meanwhile; None where there is no such message. Raises `OSError`."""
        self.pin(identifier)
        try:
            opened = self._open[identifier]
            with opened.guard:
                if opened.state is None:
                    opened.state = self._taken(identifier) or self._spool.state(identifier)
                yield None if opened.state is None or opened.state.is_removed else opened.state
        finally:
            self.unpin(identifier)

    def _taken(self, identifier: str) -> MessageState | None:
        with self._guard:
            return self._new.pop(identifier, None)
