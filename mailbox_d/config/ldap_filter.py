"""Templates of LDAP filters (RFC 4515) and DNs: read to the end when the configuration is, not at the first login."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mailbox_d.config.faults import Refusal, shown, unknown
from mailbox_d.config.scalars import Text

PLACES: Final = ("address", "local_part", "domain")
"""What stands in braces for an address that is asked for, or a part of it."""

_TELLING = ("address", "local_part")
"""Of these a template has one: the domain alone is everybody's."""

_DEPTH_MAX = 32
_OCTETS_MAX = 8192
_PLACE = re.compile(r"\{([A-Za-z_]+)\}")
_TYPE = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)(?:;[A-Za-z0-9-]+)*"
_ITEM = re.compile(rf" *(?:{_TYPE}(?:[~<>]?=)|(?:{_TYPE})?(?::dn)?(?::[A-Za-z0-9.-]+)?:=)")
_VALUE = re.compile(r"(?:[^\\()\0]|\\[0-9A-Fa-f]{2})*")
_BLANKS = re.compile(r" *")


@dataclass(frozen=True, slots=True)
class LdapFilter(Text):
    """A filter; with `asks` it has places for the address that is asked for, without it has none."""

    asks: bool = False

    @property
    def expected(self) -> str:  # type: ignore[override]
        return "a filter such as (mail={address})" if self.asks else "a filter such as (memberOf=cn=readers,dc=example)"

    def read_text(self, text: str, folder: Path) -> str:
        text = Text.read_text(self, text, folder)
        _Reader(text, self.expected).read()
        check_places(text, "the filter", asks=self.asks)
        return text

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 3}


class DnTemplate(Text):
    """A DN with places for the address that is asked for."""

    expected = "a DN such as uid={local_part},dc=example,dc=net"

    def read_text(self, text: str, folder: Path) -> str:
        text = super().read_text(text, folder)
        check_places(text, "the DN", asks=True)
        return text


def check_places(text: str, what: str, *, asks: bool) -> None:
    """Every name in braces is one that is known, and with `asks` one of them tells users apart. Raises `Refusal`."""
    names = _PLACE.findall(text)
    if names and not asks:
        raise Refusal(f"{{{names[0]}}} stands for nothing here", "a filter without {address}")
    for name in names:
        if name not in PLACES:
            raise Refusal(*unknown(f"{{{name}}}", f"{{{name}}}", [f"{{{place}}}" for place in PLACES]))
    if asks and not any(name in _TELLING for name in names):
        raise Refusal(f"{what} does not ask for the address", "{address} or {local_part} within it")


class _Reader:
    """One pass over a filter. What stands in the way is told with what comes there."""

    def __init__(self, text: str, expected: str) -> None:
        self._text = text
        self._expected = expected
        self._at = 0

    def read(self) -> None:
        if len(self._text.encode()) > _OCTETS_MAX:
            raise Refusal(f"the filter is longer than {_OCTETS_MAX} octets", self._expected)
        self._blanks()
        self._filter(_DEPTH_MAX)
        self._blanks()
        if self._at < len(self._text):
            raise self._fault("there is more behind the filter's end")

    def _filter(self, depth: int) -> None:
        if not depth:
            raise self._fault(f"the filter is more than {_DEPTH_MAX} deep")
        self._take("(")
        self._blanks()
        operator = self._text[self._at : self._at + 1]
        if operator in ("&", "|", "!") and operator:
            self._at += 1
            self._list(depth - 1, only_one=operator == "!")
        else:
            self._item()
        self._take(")")

    def _list(self, depth: int, *, only_one: bool) -> None:
        self._blanks()
        self._filter(depth)
        self._blanks()
        while not only_one and self._text[self._at : self._at + 1] == "(":
            self._filter(depth)
            self._blanks()

    def _item(self) -> None:
        start = _ITEM.match(self._text, self._at)
        if start is None or start[0].strip() == ":=":
            raise self._fault("this is no attribute and what it is compared by")
        value = _VALUE.match(self._text, start.end())
        assert value is not None
        self._at = value.end()

    def _take(self, octet: str) -> None:
        if self._text[self._at : self._at + 1] != octet:
            raise self._fault(f"{shown(octet)} is missing")
        self._at += 1

    def _blanks(self) -> None:
        blanks = _BLANKS.match(self._text, self._at)
        assert blanks is not None
        self._at = blanks.end()

    def _fault(self, problem: str) -> Refusal:
        there = self._text[self._at : self._at + 20]
        place = f"before {shown(there)}" if there else "at the end"
        return Refusal(f"the filter cannot be read: {problem} {place}", self._expected)
