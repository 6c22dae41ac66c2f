"""The messages that a client knows, in their order: what sequence numbers stand for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence

from mailbox_d.store.ports import Message


class KnownMessages:
    """Messages by ascending UID; the one at index 0 has sequence number 1.

    What a session finds when it selects a mailbox it shares with all others that found the same: a mailbox of 100,000
    messages is selected by looking at none of them. The first change makes a copy.
    """

    def __init__(self, messages: Sequence[Message], uids: Sequence[int]) -> None:
        self.uids = uids
        self._messages = messages
        self._is_own = False

    def __len__(self) -> int:
        return len(self.uids)

    def __getitem__(self, index: int) -> Message:
        return self._messages[index]

    def all(self) -> Sequence[Message]:
        return self._messages

    def find(self, uid: int) -> int | None:
        """The index of a message, if it is known."""
        index = bisect_left(self.uids, uid)
        return index if index < len(self.uids) and self.uids[index] == uid else None

    def indexes(self, uids: Iterable[int]) -> list[int]:
        """The indexes of those of these messages that are known, ascending."""
        return sorted(index for index in map(self.find, uids) if index is not None)

    def add(self, message: Message) -> None:
        """Add a message whose UID is above all others."""
        uids, messages = self._own()
        uids.append(message.uid)
        messages.append(message)

    def take(self, index: int, now: Message) -> None:
        """Note the flags of a message, and the number of the change that gave it these."""
        if self._messages[index] != now:
            _, messages = self._own()
            messages[index] = now

    def take_all(self, now: Iterable[Message]) -> None:
        """The same of many, of which those that are not known are passed over."""
        uids, messages = self._own()
        count = len(uids)
        for message in now:
            index = bisect_left(uids, message[0])
            if index < count and uids[index] == message[0]:
                messages[index] = message

    def remove(self, uids: Collection[int]) -> None:
        """Take messages out; those behind them move up."""
        self._messages = [message for message in self._messages if message.uid not in uids]
        self.uids = [message.uid for message in self._messages]
        self._is_own = True

    def _own(self) -> tuple[list[int], list[Message]]:
        if not self._is_own:
            self.uids, self._messages = list(self.uids), list(self._messages)
            self._is_own = True
        assert isinstance(self.uids, list)
        assert isinstance(self._messages, list)
        return self.uids, self._messages
