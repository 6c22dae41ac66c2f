"""Modified UTF-7, in which mailbox names are written on disk (RFC 3501 section 5.1.3)."""

from __future__ import annotations

import base64
import binascii
import re

_ENCODED = re.compile(r"&([^-]*)-")
_DIRECT = re.compile(r"[\x20-\x25\x27-\x7e]+|&|[^\x20-\x7e]+")


def encode(text: str) -> str:
    """Text as ASCII. Raises `ValueError` for lone surrogates, which no encoding holds."""
    return "".join(_encode_run(run) for run in _DIRECT.findall(text))


def decode(text: str) -> str:
    """The text behind its encoding. Raises `ValueError` for whatever `encode` would not have written.

    One text thus has one form: a dot or a slash cannot hide in base64.
    """
    decoded = _ENCODED.sub(_decode_run, text)
    if encode(decoded) != text:
        raise ValueError("Not modified UTF-7")
    return decoded


def _encode_run(run: str) -> str:
    if run == "&":
        return "&-"
    if "\x20" <= run[0] <= "\x7e":
        return run
    encoded = base64.b64encode(run.encode("utf-16-be")).decode("ascii")
    return "&" + encoded.rstrip("=").replace("/", ",") + "-"


def _decode_run(run: re.Match[str]) -> str:
    encoded = run[1]
    if not encoded:
        return "&"
    padded = encoded.replace(",", "/") + "=" * (-len(encoded) % 4)
    try:
        return base64.b64decode(padded, validate=True).decode("utf-16-be")
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("Not modified UTF-7") from error
