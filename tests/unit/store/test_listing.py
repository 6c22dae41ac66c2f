"""What a mailbox holds, as several threads see it."""

from __future__ import annotations

from collections.abc import Callable, ValuesView

from mailbox_d.store.listing import Listing
from mailbox_d.store.ports import Message


class ReadSlowly(dict[int, Message]):
    """Something else happens before what was read is put to use."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def values(self) -> ValuesView[Message]:
        read = dict(self).values()
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return read


def test_a_snapshot_that_another_thread_overtakes_is_not_kept() -> None:
    listing = Listing()
    first, second = Message(1, frozenset(), 5), Message(2, frozenset(), 5)
    listing.messages = ReadSlowly(lambda: listing.add([second], [b"b"], ()))
    listing.add([first], [b"a"], ())
    listing.snapshot()
    assert listing.snapshot() == (first, second)
