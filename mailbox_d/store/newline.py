"""Line ends: CRLF on the wire, LF in the file.

A file whose two sizes are equal is wire octets as it is; in any other, each LF without a CR before it goes over the
wire as CRLF. A message that this would not give back octet for octet (a bare LF, or two CRs before an LF) is therefore
kept in its wire form.
"""

from __future__ import annotations


def to_wire(block: bytes, after_cr: bool) -> bytes:
    """A block of a file as wire octets; `after_cr` says that the octet before the block is a CR."""
    if b"\r" not in block:
        wire = block.replace(b"\n", b"\r\n")
    else:
        wire = block.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return wire[1:] if after_cr and block.startswith(b"\n") else wire


def count_wire(block: bytes, after_cr: bool) -> int:
    """How many octets `to_wire` makes of a block."""
    grown = len(block) + block.count(b"\n") - block.count(b"\r\n")
    return grown - 1 if after_cr and block.startswith(b"\n") else grown


def faithful(wire: bytes) -> bytes | None:
    """A text with its line ends as LF; None where that would not give back the same wire octets.

    Replacing back and comparing takes half the time of counting line ends.
    """
    text = wire.replace(b"\r\n", b"\n")
    return text if b"\r\n" not in text and text.replace(b"\n", b"\r\n") == wire else None


class LineEndEncoder:
    """Turns wire octets into the file's as they come, until they prove to be of the kind that must be kept as is.

    A CR at the end of a piece is held back until the next octet is known.
    """

    def __init__(self) -> None:
        self._held = b""
        self._after_cr = False

    def feed(self, wire: bytes) -> bytes | None:
        """The file's octets for the next piece; None, changing nothing, where the text must be kept in wire form."""
        if not wire:
            return b""
        pending = self._held + wire
        held = pending[-1:] if pending.endswith(b"\r") else b""
        piece = pending[: len(pending) - len(held)]
        text = faithful(piece)
        if text is None or (self._after_cr and piece.startswith(b"\r\n")):
            return None
        self._held = held
        self._after_cr = piece.endswith(b"\r") if piece else self._after_cr
        return text

    @property
    def held(self) -> bytes:
        """What was fed but not given back yet: nothing, or one CR."""
        return self._held
