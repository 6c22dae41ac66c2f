"""Events for tests, any of any kind, and a record that is written where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.record.events import KINDS, Event, Kept, Received
from mailbox_d.record.recorder import Recorder
from mailbox_d.store.files import FileSystem

ALICE = EmailAddress.parse("Alice.X@example.org")
BOB = EmailAddress.parse("bob@example.net")
NOON = 1_700_000_000.0


def _is_address(text: str) -> bool:
    try:
        EmailAddress.parse(text)
    except (AddressError, UnicodeError):
        return False
    return True


_ODD = ['"a b"@example.org', '"\\"\\\\"@[192.0.2.1]', "ÉLISE@exämple.org", "\uff41+b@example.org", "Straße@example.org"]
ADDRESSES = st.one_of(st.emails(), st.sampled_from(_ODD)).filter(_is_address).map(EmailAddress.parse)
TEXTS = st.text(st.characters(), max_size=60)
SECONDS = st.floats(0, 1e11)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXTS,
    "int": st.integers(0, 2**53),
    "float": SECONDS,
    "EmailAddress | None": st.none() | ADDRESSES,
    "tuple[EmailAddress, ...]": st.lists(ADDRESSES, max_size=4).map(tuple),
}


def _of(kind: type[Event]) -> st.SearchStrategy[Event]:
    return st.builds(kind, **{f.name: _VALUES[str(f.type)] for f in fields(kind)})


EVENTS = st.one_of(*map(_of, KINDS))


def received(identifier: str, at: float = NOON, sender: EmailAddress = ALICE, message_id: str = "<a@b>") -> Received:
    return Received(identifier, at, "smtp", "192.0.2.1", "peer.example", sender=sender, message_id=message_id)


def kept(identifier: str, at: float = NOON, recipient: EmailAddress = BOB) -> Kept:
    return Kept(identifier, at, recipient, recipient, "INBOX", f"{at:.0f}.M1P1.host")


async def at_once(work: Callable[[], None]) -> None:
    work()


class Time:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def recorder(
    state: Path, *, size: int = 1 << 20, keep: float = 1e9, time: Time | None = None, files: FileSystem | None = None
) -> Recorder:
    return Recorder(state, size=size, keep=keep, clock=time or Time(), run=at_once, files=files)


def flush(record: Recorder) -> None:
    done: list[object] = []
    Deferred.fromCoroutine(record.flush()).addBoth(done.append)
    assert done == [None]


def write(state: Path, *events: Event) -> None:
    record = recorder(state)
    for event in events:
        record.tell(event)
    flush(record)
    record.close()
