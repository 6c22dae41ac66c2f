"""What only shows when messages are read: whether the sizes in their names are true. Child processes do the reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from mailbox_d.errors import MailError
from mailbox_d.store.filename import disk_size, split_name, wire_size
from mailbox_d.store.files import FileSystem
from mailbox_d.store.message_file import measure_both
from mailbox_d.store.upkeep.inspection import Named

T = TypeVar("T")

MEASURE = b"measure"
"""The first word of a question after sizes; what follows are paths."""

_PIECE = 500


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a file really has: octets, and octets on the wire."""

    octets: int
    wire: int

    def belong_to(self, base: bytes) -> bool:
        """Whether a name says the same, as far as it says anything."""
        return disk_size(base) in (None, self.octets) and wire_size(base) in (None, self.wire)


def questions(files: Iterable[Named]) -> Iterator[tuple[Sequence[Named], list[bytes]]]:
    """Files, and what a child is asked about them, a piece at a time."""
    for piece in pieces(files, _PIECE):
        yield piece, [MEASURE, *(each.path for each in piece)]


def measured(answer: Sequence[bytes] | None, count: int) -> list[Sizes | None]:
    """What a child answered, file by file; None for one that it could not read."""
    if answer is None or len(answer) != count:
        return [None] * count
    return [_sizes(word) for word in answer]


def answer(paths: Sequence[bytes], look: Callable[[FileSystem, bytes], tuple[int, int]] = measure_both) -> list[bytes]:
    """The child's side: both sizes of each file, empty for one that cannot be read."""
    files = FileSystem()
    answers = []
    for path in paths:
        said = b""
        with suppress(OSError, MailError):
            octets, wire = look(files, path)
            base, _ = split_name(path.rpartition(b"/")[2])
            wire = octets if wire_size(base) == disk_size(base) == octets else wire
            said = b"%d %d" % (octets, wire)
        answers.append(said)
    return answers


def pieces(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Items, so many at a time."""
    left = iter(items)
    while piece := list(islice(left, size)):
        yield piece


def _sizes(word: bytes) -> Sizes | None:
    octets, _, wire = word.partition(b" ")
    return Sizes(int(octets), int(wire)) if octets.isdigit() and wire.isdigit() else None
