"""Events as lines of JSON, and back.

`{"message":IDENTIFIER,"at":SECONDS,"what":KIND, …}` in ASCII, with the fields that say something. Whoever is asked
about an address finds it by its octets alone: where an address is not written as it is compared, `folded` has it so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.record.events import KINDS, Event

LINE_MAX = 256 * 1024
"""Octets of a line; what is longer is not written, and not read."""

BEGINNING = b'{"message":"'
"""What every line begins with; the identifier follows."""


def addresses_of(event: Event) -> Iterator[EmailAddress]:
    """Every address that an event names."""
    for name, type_name in _FIELDS[type(event)]:
        if type_name == _ADDRESS and (address := getattr(event, name)) is not None:
            yield address
        elif type_name == _ADDRESSES:
            yield from getattr(event, name)


def format_event(event: Event) -> bytes:
    """The line, with its end."""
    folded: list[str] = []
    parts = [f'{{"message":{quoted(event.identifier)},"at":{event.at!r},"what":"{event.what}"']
    for name, label, write in _WRITERS[type(event)]:
        value = getattr(event, name)
        if value:
            parts.append(label + (quoted(value) if write is None else write(value, folded)))
    if folded:
        parts.append(f',"folded":[{",".join(folded)}]')
    parts.append("}\n")
    return "".join(parts).encode("ascii")


def parse_event(line: bytes) -> Event | None:
    """The event in a line; None for a kind that is not known, and for what is no event at all."""
    if len(line) > LINE_MAX:
        return None
    try:
        said = json.loads(line)
        kind = _KINDS[said["what"]]
        known = {name: _READERS[type_name](said[name]) for name, type_name in _FIELDS[kind] if name in said}
        return kind(_text(said["message"]), _seconds(said["at"]), **known)
    except (ValueError, TypeError, KeyError, AddressError, RecursionError):
        return None


_ADDRESS = "EmailAddress | None"
_ADDRESSES = "tuple[EmailAddress, ...]"
_Writer = Callable[[Any, list[str]], str]


def _write_address(address: EmailAddress, folded: list[str]) -> str:
    key = address.key
    if key == address.local_part and key.isalnum() and key.isascii():  # as most are
        return f'"{key}@{address.domain}"'
    written, key = str(address), address.folded
    if written != key:
        folded.append(quoted(key))
    return quoted(written)


def _write_addresses(addresses: tuple[EmailAddress, ...], folded: list[str]) -> str:
    return f"[{','.join([_write_address(address, folded) for address in addresses])}]"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _address(value: object) -> EmailAddress:
    return EmailAddress.parse(_text(value))


def _addresses(values: object) -> tuple[EmailAddress, ...]:
    if not isinstance(values, list):
        raise TypeError
    return tuple(map(_address, values))


_FIELDS = {kind: tuple((f.name, str(f.type)) for f in fields(kind)[2:]) for kind in KINDS}
_KINDS = {kind.what: kind for kind in KINDS}
_READERS: dict[str, Callable[[object], Any]] = {
    "str": _text,
    "int": _whole,
    "float": _seconds,
    _ADDRESS: _address,
    _ADDRESSES: _addresses,
}
_WRITE: dict[str, _Writer] = {
    "int": lambda number, folded: repr(number),
    "float": lambda seconds, folded: repr(seconds),
    _ADDRESS: _write_address,
    _ADDRESSES: _write_addresses,
}
_WRITERS = {
    kind: tuple((name, f',"{name}":', _WRITE.get(type_name)) for name, type_name in _FIELDS[kind]) for kind in KINDS
}
"""Of each field: its name, what stands before its value, and what writes it, if it is not text."""
