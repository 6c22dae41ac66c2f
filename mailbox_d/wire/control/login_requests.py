"""What an operator asks the daemon about failed logins, as a line of JSON and as a frozen value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from mailbox_d.wire.control.objects import BadRequest, Types, check_types

SUBJECT: Final = "login"
"""What these requests have under `subject`."""


class LoginVerb(Enum):
    """What is to be done."""

    WAITS = "waits"
    FORGIVE = "forgive"


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """What is to be done, and for whom: a user's address or a client's IP address; None: for all. `all`: those are told
    too who need not wait."""

    verb: LoginVerb
    whom: str | None = None
    all: bool = False


_TYPES: Final[Types] = {"verb": (str,), "whom": (str, type(None)), "all": (bool,)}


def login_request_of(given: Mapping[str, Any]) -> LoginRequest:
    """The request that an object is, without its subject. Raises `BadRequest`."""
    check_types(given, _TYPES)
    try:
        request = LoginRequest(**{**given, "verb": LoginVerb(given.get("verb"))})
    except ValueError:
        raise BadRequest("There is no such verb") from None
    if request.verb is LoginVerb.FORGIVE and request.whom is None:
        raise BadRequest("Name a user or an address")
    return request


def format_login_request(request: LoginRequest) -> bytes:
    """The line of a request, with its end; what has its default is left out."""
    told = {"subject": SUBJECT, "verb": request.verb.value}
    whom = {} if request.whom is None else {"whom": request.whom}
    return json.dumps({**told, **whom, **({"all": True} if request.all else {})}).encode("ascii") + b"\n"
