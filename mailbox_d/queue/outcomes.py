"""What became of a message's recipients: the lines beside it on the disk, and the same in memory.

Each line stands for itself: a CRC-32, and a JSON object that says all of one recipient's state, so that the last line
of each is enough, and a line that is torn or damaged costs what it says and no more; so does one that is longer than
any of ours, or of nobody who is a recipient. Others are of the whole message:

    6a0c1d1e {"to": "bob@example.com", "at": 1763722001.2, "fate": "deferred", …, "tries": 1, "age": 2.1, "due": …}
    1f33b0c2 {"held": true}

`age` is for how many seconds the recipient has waited, as `backoff` counts them; `due` is when it is tried again.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Attempt, Fate, Parcel, Queued, Recipient
from mailbox_d.queue.message_file import read_address
from mailbox_d.queue.stored_values import count, seconds, text

_WORDS = ("status", "host", "address", "reply", "reason", "tls", "security", "policy")
"""The texts of an `Attempt`."""

LINE_OCTETS_MAX = 64 * 1024
"""A longer line is none of ours, and is not looked into."""

_CUT_TO = 300
"""Characters of each text, where all that a server said would make the line too long."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one recipient is. `due` is 0 where it may be tried at once; `last` is None before the first attempt."""

    last: Attempt | None = None
    tries: int = 0
    age: float = 0.0
    due: float = 0.0
    is_warned: bool = False

    @property
    def is_final(self) -> bool:
        return self.last is not None and self.last.is_final


BEFORE_ALL = Progress()


@dataclass(frozen=True, slots=True)
class Change:
    """How far some recipients are now; whether nothing is to be sent of the message, if that has changed."""

    progress: dict[EmailAddress, Progress] = field(default_factory=dict)
    is_held: bool | None = None

    def lines(self) -> bytes:
        """As they are noted."""
        held = b"" if self.is_held is None else _line({"held": self.is_held})
        return held + b"".join(_progress_line(address, progress) for address, progress in self.progress.items())


@dataclass(slots=True, eq=False)
class MessageState:
    """A message in the queue and how far each of its recipients is. Not safe for threads.

    `log_octets` is what its lines take on the disk, 0 where there is no file; `is_torn`: the file does not end with a
    line's end; `is_removed`: nobody waits, and its file is gone.
    """

    message: Queued
    progress: dict[EmailAddress, Progress] = field(default_factory=dict)
    is_held: bool = False
    log_octets: int = 0
    is_torn: bool = False
    is_removed: bool = False

    def of(self, address: EmailAddress) -> Progress:
        return self.progress.get(address, BEFORE_ALL)

    def waiting(self, domain: str | None = None) -> tuple[Recipient, ...]:
        """Those who have no final outcome yet, of one domain or of all."""
        return tuple(
            recipient
            for recipient in self.message.envelope.recipients
            if (domain is None or recipient.address.domain == domain) and not self.of(recipient.address).is_final
        )

    def parcel(self, recipients: Iterable[Recipient]) -> Parcel:
        """The message for these of its recipients."""
        waiting = tuple(recipients)
        known = {one.address: self.of(one.address) for one in waiting}
        return Parcel(
            self.message,
            waiting,
            max((progress.tries for progress in known.values()), default=0),
            {address: progress.last for address, progress in known.items() if progress.last is not None},
            frozenset(address for address, progress in known.items() if progress.is_warned),
            {address: progress.age for address, progress in known.items()},
        )

    def apply(self, change: Change) -> None:
        """What was noted holds from now on."""
        self.progress.update(change.progress)
        if change.is_held is not None:
            self.is_held = change.is_held

    def lines(self, change: Change) -> bytes:
        """All that is to be known after a change, without what was before it."""
        is_held = self.is_held if change.is_held is None else change.is_held
        return Change({**self.progress, **change.progress}, is_held or None).lines()

    def read(self, pieces: Iterable[bytes]) -> int:
        """Take in the lines of its file, which comes in pieces of any length; how many were damaged, but for a last one
        that was not finished. No more is kept than a line for each recipient."""
        known = {recipient.address for recipient in self.message.envelope.recipients}
        damaged, rest = 0, b""
        for piece in pieces:
            self.log_octets += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest[: LINE_OCTETS_MAX + 1]  # enough to tell that it is too long
            damaged += sum(bool(line) and not self._read_line(line, known) for line in lines)
        self.is_torn = bool(rest)
        return damaged

    def _read_line(self, line: bytes, known: Container[EmailAddress]) -> bool:
        said = _said(line)
        return said is not None and self._take(said, known)

    def _take(self, said: dict[str, Any], known: Container[EmailAddress]) -> bool:
        """Take in one line; one that a later version has written says nothing. False where it cannot be read."""
        try:
            if "held" in said:
                self.is_held = bool(said["held"])
            elif "to" in said:
                address = read_address(said["to"])
                progress = _progress(address, said)
                if address in known:
                    self.progress[address] = progress
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        return True


def _line(said: dict[str, Any]) -> bytes:
    octets = json.dumps(said).encode("ascii")
    return b"%08x %b\n" % (crc32(octets), octets)


def _said(line: bytes) -> dict[str, Any] | None:
    """What a line says, None where it is damaged."""
    if len(line) > LINE_OCTETS_MAX:
        return None
    if line[:9] != b"%08x " % crc32(line[9:]):
        return None
    try:
        said = json.loads(line[9:])
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _progress_line(address: EmailAddress, progress: Progress) -> bytes:
    said: dict[str, Any] = {"to": str(address)}
    if progress.last is not None:
        said.update(at=progress.last.at, fate=progress.last.fate.value)
        said.update((word, text) for word in _WORDS if (text := getattr(progress.last, word)))
    said.update(tries=progress.tries, age=round(progress.age, 3), due=progress.due)
    if progress.is_warned:
        said["warned"] = True
    line = _line(said)
    if len(line) <= LINE_OCTETS_MAX:
        return line
    return _line({word: value[:_CUT_TO] if word in _WORDS else value for word, value in said.items()})


def _progress(address: EmailAddress, said: dict[str, Any]) -> Progress:
    last = None
    if "fate" in said:
        words = {word: text(said.get(word, "")) for word in _WORDS}
        last = Attempt(seconds(said["at"]), address, Fate(said["fate"]), **words)
    numbers = count(said["tries"]), seconds(said["age"]), seconds(said["due"])
    return Progress(last, *numbers, is_warned=bool(said.get("warned", False)))
