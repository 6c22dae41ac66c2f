"""A request's line as an object of JSON, whose keys and kinds of value are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from mailbox_d.errors import MailError

TEXT_MAX: Final = 1000
"""Characters of one text."""

LIST_MAX: Final = 1000
"""Texts in a list."""

Types: TypeAlias = Mapping[str, tuple[type, ...]]
"""For each key that there may be, the kinds that its value may have; `list` is one of texts."""


class BadRequest(MailError):
    """A line that is no request."""


def parse_object(line: bytes) -> dict[str, Any]:
    """Read a line without its end, in which no key comes twice. Raises `BadRequest`, whatever the line holds."""
    try:
        given = json.loads(line.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRequest("A request is a line of JSON") from None
    if not isinstance(given, dict):
        raise BadRequest("A request is an object of JSON")
    return given


def check_types(given: Mapping[str, Any], types: Types) -> None:
    """Raises `BadRequest` where a key is unknown, or a value is none of those that it may have."""
    for key, value in given.items():
        if key not in types:
            raise BadRequest("The request has a key that is unknown here", cause=repr(key)[:80])
        if not isinstance(value, types[key]) or (isinstance(value, bool) and bool not in types[key]):
            raise BadRequest(f"The value of {key} is of a wrong kind")
        if isinstance(value, list) and not (len(value) <= LIST_MAX and all(isinstance(each, str) for each in value)):
            raise BadRequest(f"The value of {key} is of a wrong kind")
        if not all(_is_text(text) for text in _texts(value)):
            raise BadRequest(f"The value of {key} is no text")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(_: str) -> Any:
    raise ValueError("no number")


def _texts(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value] if isinstance(value, str) else []


def _is_text(value: str) -> bool:
    """Whether a value can be an address or a name."""
    return 0 < len(value) <= TEXT_MAX and not any("\ud800" <= character <= "\udfff" for character in value)
