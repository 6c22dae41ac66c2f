"""Converts messages to 7 bits in the reactor's thread, a moment at a time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from mailbox_d.mime.seven_bit import converted
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.relay.dispatch.contents import PackedContent

SLICE_SECONDS = 0.004
"""What a slice of the work takes before others have their turn."""

_BLOCK = 262144


class Conversion:
    """`pause` gives the reactor a turn."""

    def __init__(self, limits: MimeLimits, pause: Callable[[], Awaitable[None]]) -> None:
        self._limits = limits
        self._pause = pause

    async def convert(self, content: PackedContent) -> bytes:
        """The message in 7 bits. Raises `NotConvertible`, `StorageFault`."""
        whole = await _whole(content)
        pieces: list[bytes] = []
        until = time.monotonic() + SLICE_SECONDS
        for piece in converted(len(whole), lambda offset, length: whole[offset : offset + length], self._limits):
            pieces.append(piece)
            if time.monotonic() > until:
                await self._pause()
                until = time.monotonic() + SLICE_SECONDS
        return b"".join(pieces)


async def _whole(content: PackedContent) -> bytes:
    blocks = [await content.read(offset, _BLOCK) for offset in range(0, content.octets, _BLOCK)]
    return b"".join(blocks)
