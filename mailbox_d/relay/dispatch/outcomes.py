"""From what a server did, or why none was reached, to what became of each recipient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mailbox_d.queue.message import Attempt, Fate, Recipient
from mailbox_d.relay.ports import Handed, PeerFailure, Security, TlsState, Undeliverable

OUR_FAULT = "4.3.0"
"""The status of what is wrong on our side."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The server of an attempt, and how the connection to it was secured, by which policy."""

    host: str = ""
    address: str = ""
    tls: TlsState = field(default_factory=TlsState)
    policy: str = ""
    knows_dsn: bool = False
    """Whether the server tells senders itself what becomes of their mail."""

    def attempt(
        self, recipient: Recipient, fate: Fate, status: str, at: float, *, reply: str = "", reason: str = ""
    ) -> Attempt:
        """What became of one recipient there."""
        return Attempt(
            at=at,
            recipient=recipient.address,
            fate=fate,
            status=status,
            host=self.host,
            address=self.address,
            reply=reply,
            reason=reason,
            tls=self.tls.version,
            security=self.tls.security.word if self.host or self.tls.security is not Security.PLAIN else "",
            policy=self.policy,
        )


NOBODY = Tried()


def outcomes(handed: Iterable[Handed], tried: Tried, at: float) -> list[Attempt]:
    """What became of the recipients that a server answered for."""
    return [_outcome(each, tried, at) for each in handed]


def _outcome(handed: Handed, tried: Tried, at: float) -> Attempt:
    reply = handed.reply
    if handed.taken:
        fate = Fate.RELAYED if tried.knows_dsn else Fate.DELIVERED
    else:
        fate = Fate.DEFERRED if reply.is_temporary else Fate.FAILED
    return tried.attempt(handed.recipient, fate, reply.status, at, reply=f"{reply.code} {reply.text}".rstrip())


def outcomes_of_failure(
    failure: PeerFailure | Undeliverable, recipients: Sequence[Recipient], tried: Tried, at: float
) -> list[Attempt]:
    """What became of the recipients where there was no conversation, or where it broke off."""
    fate = Fate.DEFERRED if failure.temporary else Fate.FAILED
    said = failure.reply if isinstance(failure, PeerFailure) else None
    reply = "" if said is None else f"{said.code} {said.text}".rstrip()
    return [
        tried.attempt(recipient, fate, failure.status, at, reply=reply, reason=failure.public)
        for recipient in recipients
    ]


def outcomes_of_our_fault(recipients: Sequence[Recipient], public: str, at: float) -> list[Attempt]:
    """What became of the recipients where something here is wrong: it is tried again, whatever it is."""
    return [NOBODY.attempt(recipient, Fate.DEFERRED, OUR_FAULT, at, reason=public) for recipient in recipients]
