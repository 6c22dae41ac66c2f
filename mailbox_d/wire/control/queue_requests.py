"""What an operator asks the daemon to do with outgoing mail, as a line of JSON and as a frozen value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Final

from mailbox_d.wire.control.objects import BadRequest, Types, check_types

SUBJECT: Final = "queue"
"""What these requests have under `subject`."""

LIMIT_MAX: Final = 1_000_000_000


class QueueVerb(Enum):
    """What is to be done."""

    LIST = "list"
    SHOW = "show"
    STATS = "stats"
    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    REMOVE = "remove"
    TLS = "tls"
    FORGET_TLS = "forget-tls"


CHANGING: Final = frozenset({QueueVerb.RETRY, QueueVerb.HOLD, QueueVerb.RELEASE, QueueVerb.REMOVE})
"""What does something to the messages that are chosen."""


class Which(Enum):
    """Messages in a certain state."""

    ANY = "any"
    HELD = "held"
    DUE = "due"
    """To be tried now, or being tried."""


@dataclass(frozen=True, slots=True)
class QueueRequest:
    """What is to be done, and with which messages: those named by `ids`, or all to which every other criterion given
    applies; `all` is to be said where there is none.

    `domain`: some recipient in it waits; `sender`: the envelope's, `<>` for the null reverse-path; `recipient`: waits.
    `limit`: messages to be listed at most, 0 for no bound. `content`: the header is shown too. `bounce`: the sender of
    what is removed is told. `yes`: many may be removed.
    """

    verb: QueueVerb
    ids: tuple[str, ...] = ()
    all: bool = False
    domain: str | None = None
    sender: str | None = None
    recipient: str | None = None
    which: Which = Which.ANY
    limit: int = 0
    content: bool = False
    bounce: bool = False
    yes: bool = False

    @property
    def has_criteria(self) -> bool:
        """Whether messages are chosen by what they are."""
        return any((self.domain, self.sender, self.recipient, self.which is not Which.ANY))


_TYPES: Final[Types] = {
    "verb": (str,),
    "ids": (list,),
    "all": (bool,),
    "domain": (str, type(None)),
    "sender": (str, type(None)),
    "recipient": (str, type(None)),
    "which": (str,),
    "limit": (int,),
    "content": (bool,),
    "bounce": (bool,),
    "yes": (bool,),
}


def queue_request_of(given: Mapping[str, Any]) -> QueueRequest:
    """The request that an object is, without its subject. Raises `BadRequest`."""
    check_types(given, _TYPES)
    try:
        verb, which = QueueVerb(given.get("verb")), Which(given.get("which", Which.ANY.value))
    except ValueError:
        raise BadRequest("There is no such verb, or no such state") from None
    request = QueueRequest(**{**given, "verb": verb, "which": which, "ids": tuple(given.get("ids", ()))})
    check_request(request)
    return request


def format_queue_request(request: QueueRequest) -> bytes:
    """The line of a request, with its end; what has its default is left out."""
    defaults = {each.name: each.default for each in fields(QueueRequest)}
    told = {key: value for key, value in asdict(request).items() if value != defaults[key]}
    told = {key: value.value if isinstance(value, Enum) else value for key, value in told.items()}
    return json.dumps({"subject": SUBJECT, **told}).encode("ascii") + b"\n"


def check_request(request: QueueRequest) -> None:
    """See that a request's parts go together. Raises `BadRequest`."""
    verb = request.verb
    if not 0 <= request.limit <= LIMIT_MAX:
        raise BadRequest("The value of limit is out of bounds")
    if verb is QueueVerb.SHOW and (len(request.ids) != 1 or request.all or request.has_criteria):
        raise BadRequest("One message is shown, by its identifier")
    if verb in CHANGING and not (request.ids or request.all or request.has_criteria):
        raise BadRequest("Name messages, or say which are meant, or that all are")
    if request.ids and (request.all or request.has_criteria):
        raise BadRequest("Messages are named, or chosen by what they are, not both")
    if verb is QueueVerb.FORGET_TLS and request.domain is None:
        raise BadRequest("Name the domain")
