"""What parent and child say to each other over a pipe: lists of octet strings, each length before its octets.

Nothing that comes from a child is ever executed or unpickled: it looks at what strangers wrote.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_NUMBER = struct.Struct(">I")
FRAME_MAX = 256 * 1024 * 1024
"""Octets of one list."""


class FrameTooLong(Exception):
    """What comes is no frame of ours."""


def frame(words: Sequence[bytes]) -> bytes:
    """A list as it is sent. Raises `FrameTooLong`."""
    body = b"".join([_NUMBER.pack(len(words)), *(piece for word in words for piece in (_NUMBER.pack(len(word)), word))])
    if len(body) > FRAME_MAX:
        raise FrameTooLong
    return _NUMBER.pack(len(body)) + body


class FrameReader:
    """Fed octets as they come, gives whole lists."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        self._held += data

    def next_frame(self) -> list[bytes] | None:
        """The next list; None while it is not all there. Raises `FrameTooLong`."""
        if len(self._held) < _NUMBER.size:
            return None
        (size,) = _NUMBER.unpack_from(self._held)
        if size > FRAME_MAX:
            raise FrameTooLong
        end = _NUMBER.size + size
        if len(self._held) < end:
            return None
        body = bytes(memoryview(self._held)[_NUMBER.size : end])
        del self._held[:end]
        return _words(body)


def _words(body: bytes) -> list[bytes]:
    try:
        (count,) = _NUMBER.unpack_from(body)
        at, words = _NUMBER.size, []
        for _ in range(count):
            (length,) = _NUMBER.unpack_from(body, at)
            at += _NUMBER.size
            words.append(body[at : at + length])
            at += length
    except struct.error as error:
        raise FrameTooLong from error
    if at != len(body):
        raise FrameTooLong
    return words
