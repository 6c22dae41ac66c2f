"""Why a step of the policy refuses. Protocols turn reasons into their replies, each in one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Reason(Enum):
    """The kinds of refusal."""

    UNKNOWN_RECIPIENT = auto()
    RELAYING_DENIED = auto()
    TOO_MANY_TARGETS = auto()
    SENDER_NOT_ALLOWED = auto()
    TOO_MANY_HOPS = auto()
    HEADER_TOO_LARGE = auto()
    MALFORMED_HEADER = auto()
    MESSAGE_TOO_LARGE = auto()
    NO_SPACE = auto()
    MAILBOX_FULL = auto()
    MAILBOX_FULL_FOR_NOW = auto()
    RATE_EXCEEDED = auto()


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal: its reason, one line for the peer, and what only the log may know."""

    reason: Reason
    public: str
    cause: str = ""
