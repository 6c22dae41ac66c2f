"""Finding octets in a buffer by the C library's `memmem`, while other threads run Python."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

_LOOKED_AT_HERE: int = 4096
"""Octets that are looked at without a call of C: where there is one hit, there is often another behind it."""


def _memmem() -> Callable[..., int | None] | None:
    try:
        function: Any = ctypes.CDLL(None).memmem
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    return function  # type: ignore[no-any-return]


_MEMMEM = _memmem()


class Buffer:
    """Octets that were read from a file; used again and again."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self._address = 0

    def read(self, descriptor: int, offset: int, length: int) -> bool:
        """Take octets from a file; whether all of them were there. Raises `OSError`."""
        if length > len(self.octets):
            self.octets = bytearray(length)
            self._address = ctypes.addressof((ctypes.c_char * length).from_buffer(self.octets))
        done = 0
        with memoryview(self.octets) as view:
            while done < length:
                count = os.preadv(descriptor, [view[done:length]], offset + done)
                if not count:
                    return False
                done += count
        return True

    def find(self, needle: bytes, start: int, stop: int) -> int:
        """Where the needle lies first between these places; -1 where it does not."""
        near = min(start + _LOOKED_AT_HERE, stop)
        found = self.octets.find(needle, start, near)
        if found >= 0 or near == stop or _MEMMEM is None:
            return found if found >= 0 or near == stop else self.octets.find(needle, start, stop)
        start = max(start, near - len(needle) + 1)
        address = _MEMMEM(self._address + start, stop - start, needle, len(needle))
        return -1 if address is None else address - self._address
