"""What an operator asks the daemon to do to mailboxes, as a line of JSON and as a frozen value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Final

from mailbox_d.wire.control.objects import BadRequest, Types, check_types, parse_object

PROTOCOL: Final = 1
"""Of the requests and answers here; `hello` tells it."""

WAIT_MAX: Final = 86_400.0


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


_TYPES: Final[Types] = {
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
    return request_of(parse_object(line))


def request_of(given: Mapping[str, Any]) -> Request:
    """The request that an object is. Raises `BadRequest`."""
    check_types(given, _TYPES)
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
