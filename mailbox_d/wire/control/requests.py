"""What an operator asks the daemon for, as a line of JSON and as a frozen value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Final

from mailbox_d.errors import MailError

PROTOCOL: Final = 1
"""Of the requests and answers here; `hello` tells it."""

WAIT_MAX: Final = 86_400.0
_TEXT_MAX: Final = 1000


class BadRequest(MailError):
    """A line that is no request."""


class Verb(Enum):
    """What is to be done."""

    VERIFY = "verify"
    REPAIR = "repair"
    REINDEX = "reindex"
    STATS = "stats"
    ADOPT = "adopt"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be done, and with what: the user's address (None: all accounts), the mailbox's name (None: all).

    `deep`: messages are read too. `yes`: things may change. `purge`: our own files are removed. `wait`: seconds for
    which sessions are waited for.
    """

    verb: Verb
    user: str | None = None
    mailbox: str | None = None
    deep: bool = False
    yes: bool = False
    purge: bool = False
    wait: float = 60.0


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "verb": (str,),
    "user": (str, type(None)),
    "mailbox": (str, type(None)),
    "deep": (bool,),
    "yes": (bool,),
    "purge": (bool,),
    "wait": (int, float),
}


def parse_request(line: bytes) -> Request:
    """Read a line without its end. Raises `BadRequest`, whatever the line holds."""
    given = _parse_object(line)
    for key, value in given.items():
        if key not in _TYPES:
            raise BadRequest("The request has a key that is unknown here", cause=repr(key)[:80])
        if not isinstance(value, _TYPES[key]) or (isinstance(value, bool) and bool not in _TYPES[key]):
            raise BadRequest(f"The value of {key} is of a wrong kind")
        if isinstance(value, str) and not _is_text(value):
            raise BadRequest(f"The value of {key} is no text")
    try:
        request = Request(**{**given, "verb": Verb(given.get("verb"))})
    except ValueError:
        raise BadRequest("There is no such verb") from None
    if not 0 <= request.wait <= WAIT_MAX:
        raise BadRequest("The value of wait is out of bounds")
    return request


def format_request(request: Request) -> bytes:
    """The line of a request, with its end; what has its default is left out."""
    defaults = {each.name: each.default for each in fields(Request)}
    told = {key: value for key, value in asdict(request).items() if value != defaults[key]}
    return json.dumps({**told, "verb": request.verb.value}).encode("ascii") + b"\n"


def _parse_object(line: bytes) -> dict[str, Any]:
    try:
        given = json.loads(line.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRequest("A request is a line of JSON") from None
    if not isinstance(given, dict):
        raise BadRequest("A request is an object of JSON")
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(_: str) -> Any:
    raise ValueError("no number")


def _is_text(value: str) -> bool:
    """Whether a value can be an address or a mailbox's name."""
    return 0 < len(value) <= _TEXT_MAX and not any("\ud800" <= character <= "\udfff" for character in value)
