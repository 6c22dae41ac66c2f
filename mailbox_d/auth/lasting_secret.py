"""A secret that stays the same over restarts: what is made up of it looks as constant as what is stored."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

FILE_NAME = "made-up.key"
"""Below `storage.state`."""

_OCTETS = 32
_LINE = re.compile(rf"[0-9a-f]{{{2 * _OCTETS}}}")


class LastingSecret:
    """Random octets, to be kept by `net/kept_state`: `value` is the kept one once it was recalled."""

    def __init__(self) -> None:
        self.value = os.urandom(_OCTETS)
        self.is_new = True

    def rows(self) -> Sequence[bytes]:
        return (self.value,)

    def recall(self, rows: Sequence[bytes]) -> None:
        if rows and self.is_new:
            self.value, self.is_new = rows[-1], False

    def line(self, row: bytes, /) -> str:
        return row.hex()

    def row(self, line: str, /) -> bytes | None:
        return bytes.fromhex(line) if _LINE.fullmatch(line) else None
