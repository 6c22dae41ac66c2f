"""A message's structure, found while its octets go by (RFC 2046 section 5.1).

    scanner = StructureScanner()
    for chunk in reader.chunks():
        scanner.feed(chunk)
    message = scanner.finish()

or `scan(reader.chunks())`. However the octets are cut, the outcome is the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from mailbox_d.mime.structure import MimeLimits, Part


class StructureScanner:
    """Takes a message in chunks; holds one header and the tree, never a body."""

    def __init__(self, limits: MimeLimits | None = None) -> None: ...

    def feed(self, data: bytes) -> None:
        """Take the next octets as they go over the wire."""
        raise NotImplementedError

    def finish(self) -> Part:
        """The message has ended: what it is made of. To be called once."""
        raise NotImplementedError


def scan(chunks: Iterable[bytes], limits: MimeLimits | None = None) -> Part:
    """The structure of the message that these chunks are."""
    scanner = StructureScanner(limits)
    for chunk in chunks:
        scanner.feed(chunk)
    return scanner.finish()
