"""A message's file name: `<base>[,S=<octets>][,W=<octets on the wire>][:2,<letters>]`.

The base, sizes and all, is the message's name for life; only the letters behind it change.
"""

from __future__ import annotations

_INFO = b":2,"
_DIGITS_MAX = 18
_UNLISTABLE = (b"\n", b"\r", b"\0", b"/")


def split_name(name: bytes) -> tuple[bytes, bytes]:
    """The base and the letters of a file name; letters of an unknown kind of info are none."""
    base, _, info = name.partition(b":")
    return base, letters_of(info)


def letters_of(info: bytes) -> bytes:
    """The letters in what follows the base and its colon."""
    return info[2:] if info[:2] == b"2," else b""


def join_name(base: bytes, letters: bytes) -> bytes:
    """The file name in `cur` of a message with these letters."""
    return base + _INFO + letters


def sort_letters(letters: bytes) -> bytes:
    """Letters as they are written: ascending, each once."""
    return bytes(sorted(set(letters)))


def is_listable(base: bytes) -> bool:
    """Whether a base name can stand in a uidlist: not empty, hidden, or of more than one line."""
    return bool(base) and not base.startswith(b".") and not any(octet in base for octet in _UNLISTABLE)


def wire_size(base: bytes) -> int | None:
    """What the name says of the message's size on the wire (`W=`)."""
    _, found, digits = base.rpartition(b",W=")
    if not found:
        return None
    return int(digits) if digits.isdigit() and len(digits) <= _DIGITS_MAX else _size(base, b",W=")


def disk_size(base: bytes) -> int | None:
    """What the name says of the file's size (`S=`)."""
    return _size(base, b",S=")


def arrival(base: bytes) -> tuple[int, int, bytes]:
    """By which unlisted messages are put in order: the seconds and microseconds in the name, then the name."""
    seconds, _, rest = base.partition(b".")
    return _leading_number(seconds), _leading_number(rest[1:]) if rest.startswith(b"M") else 0, base


def _size(base: bytes, key: bytes) -> int | None:
    _, found, rest = base.partition(key)
    if not found:
        return None
    digits = rest.partition(b",")[0]
    return int(digits) if digits.isdigit() and len(digits) <= _DIGITS_MAX else None


def _leading_number(text: bytes) -> int:
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    return int(digits) if 0 < len(digits) <= _DIGITS_MAX else 0
