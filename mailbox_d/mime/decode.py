"""From octets on the wire to content: transfer encodings (RFC 2045 section 6) and charsets, leniently, in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from mailbox_d.mime.structure import Part

Read: TypeAlias = Callable[[int, int], bytes]
"""Octets of the message on the wire, by offset and length, as `WireReader.read` gives them."""


def decoded(part: Part, read: Read) -> Iterator[bytes]:
    """The body of a part without its transfer encoding, in pieces. Raises `UnknownEncoding` before the first."""
    raise NotImplementedError


def decoded_text(part: Part, read: Read) -> Iterator[str]:
    """The text of a part, in pieces; what its charset cannot say is U+FFFD."""
    raise NotImplementedError
