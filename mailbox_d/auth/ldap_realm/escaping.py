"""Filters and DNs made from templates: what a peer says is a value in them, and can be nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

from mailbox_d.address import EmailAddress

_PLACE = re.compile(r"\{(address|local_part|domain)\}")
_FIRST = re.compile(r'\s*(?>(?:[^\\,;"]|\\.|"(?>(?:[^"\\]|\\.)*)")+)[,;]', re.DOTALL)
"""The first part of a DN and what ends it; RFC 2253 section 4 knew quoted values, and semicolons."""
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@.-_")


def filter_value(text: str) -> str:
    """An assertion value (RFC 4515 section 3): every octet that might mean something stands as `\\xx`."""
    return "".join(chr(octet) if octet in _PLAIN else f"\\{octet:02x}" for octet in text.encode())


def dn_value(text: str) -> str:
    """An attribute's value in a DN (RFC 4514 section 2.4), as text of octets that can be nothing else."""
    return filter_value(text)


def fill_filter(template: str, address: EmailAddress) -> str:
    """A filter for an address. `{address}`, `{local_part}` and `{domain}` stand for what is asked for."""
    return _fill(template, address, filter_value)


def fill_dn(template: str, address: EmailAddress) -> str:
    """A DN for an address, from a template with the same places."""
    return _fill(template, address, dn_value)


def parent(dn: str) -> str:
    """The DN of the entry above (RFC 4514 section 2.1); empty for one at the top."""
    return _FIRST.sub("", dn, count=1) if _FIRST.match(dn) else ""


def _fill(template: str, address: EmailAddress, escape: Callable[[str], str]) -> str:
    values = {"address": str(address), "local_part": address.local_part, "domain": address.domain}
    return _PLACE.sub(lambda place: escape(values[place[1]]), template)
