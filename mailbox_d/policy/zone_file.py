"""DNS records as text in the master file format (RFC 1035 section 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST_STRING = 255
"""Octets of one string of a TXT record (RFC 1035 section 3.3.14); a longer text is several strings."""

TTL = 3600
"""Seconds for which a record may be remembered."""


def zone_line(name: str, kind: str, value: str) -> str:
    """A record on one line; `value` as `kind` has it, for TXT the text itself."""
    return f"{name}.\t{TTL}\tIN\t{kind}\t{txt_strings(value) if kind == 'TXT' else value}"


def txt_strings(text: str) -> str:
    """A text as quoted strings of up to 255 octets each."""
    return " ".join(f'"{_escaped(part)}"' for part in _parts(text))


def comment(text: str) -> str:
    """Text that is no record."""
    return "\n".join(f"; {line}".rstrip() for line in text.splitlines())


def _parts(text: str) -> Iterator[str]:
    yield from (text[place : place + LONGEST_STRING] for place in range(0, max(len(text), 1), LONGEST_STRING))


def _escaped(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)
