"""Charsets that mail is written in: a list of what may be decoded, for Python has codecs that are no charsets."""

from __future__ import annotations

import codecs
from functools import lru_cache
from typing import Final

_LONGEST_NAME = 60
_ALLOWED: Final = frozenset(
    (
        *("utf-8", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-7", "koi8-r", "koi8-u"),
        *(f"iso8859-{number}" for number in (*range(1, 12), *range(13, 17))),
        *(f"cp{number}" for number in (437, 850, 852, 866, 874, 932, 949, 950, *range(1250, 1259))),
        *("big5", "big5hkscs", "gb2312", "gbk", "gb18030", "hz", "shift_jis", "euc_jp", "euc_kr", "johab"),
        *("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_kr", "mac-roman", "tis-620"),
    )
)


@lru_cache(maxsize=256)
def decoder_of(charset: bytes) -> str:
    """Python's name for a charset; UTF-8 for ASCII, and for all that is unknown: it can say what ASCII can."""
    if len(charset) > _LONGEST_NAME:
        return "utf-8"
    try:
        name = codecs.lookup(charset.decode("ascii")).name
    except (LookupError, ValueError):
        return "utf-8"
    return name if name in _ALLOWED else "utf-8"
