"""What can happen to a message: one frozen value for each kind of event.

`identifier` names the message as its Received field and the replies about it do; `at` is in seconds since 1970. Texts
of strangers stand here as they came; who shows them makes them fit. All fields but these two have defaults that mean
"nothing said", so that a newer version may add some.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Attempt

MESSAGE_ID_MAX = 998
"""Characters of a Message-ID that are remembered: no line of a message may be longer (RFC 5322 section 2.1.1)."""

_RECIPIENTS_AT_ONCE = 100
"""Recipients that one event names; for more there are several events."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a message."""

    what: ClassVar[str] = ""
    """The kind, as the line says it."""
    is_beginning: ClassVar[bool] = False
    """Whether nothing can be told of the message before this."""

    identifier: str
    at: float


@dataclass(frozen=True, slots=True)
class Received(Event):
    """It came in. `kind`: `smtp`, `submission`, `lmtp`, `report`, `forward` or `cli`; `peer`: the address that it came
    from, `name`: how that one calls itself; `protocol`, `tls`: as in Received; `user`: who had logged in; `sender` is
    None for the null reverse-path; `octets`: as on the wire."""

    what = "received"
    is_beginning = True

    kind: str = ""
    peer: str = ""
    name: str = ""
    protocol: str = ""
    tls: str = ""
    user: str = ""
    sender: EmailAddress | None = None
    octets: int = 0
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Decided(Event):
    """A rule decided something. `step`: the rule, such as `recipients`, `spf`, `dmarc`; `verdict`: in a word; `words`:
    why; `recipient`: of whom, if of one; `targets`: the mailboxes, and addresses elsewhere, that it leads to."""

    what = "decided"

    step: str = ""
    verdict: str = ""
    words: str = ""
    recipient: EmailAddress | None = None
    targets: tuple[EmailAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept(Event):
    """A copy is in a mailbox. `recipient`: as the envelope has it; `account`: whose mailbox; `mailbox`: its name;
    `name`: the file's, without the letters of its flags; `uid`: 0 where it is given at the next look."""

    what = "kept"

    recipient: EmailAddress | None = None
    account: EmailAddress | None = None
    mailbox: str = ""
    name: str = ""
    uid: int = 0


@dataclass(frozen=True, slots=True)
class Enqueued(Event):
    """It is in the queue for recipients elsewhere."""

    what = "enqueued"

    recipients: tuple[EmailAddress, ...] = ()

    @classmethod
    def for_all(cls, identifier: str, at: float, recipients: Sequence[EmailAddress]) -> Iterator[Enqueued]:
        """The events for any number of recipients."""
        rest = iter(recipients)
        while some := tuple(islice(rest, _RECIPIENTS_AT_ONCE)):
            yield cls(identifier, at, some)


@dataclass(frozen=True, slots=True)
class Tried(Event):
    """What became of a recipient in an attempt: the fields of `queue.message.Attempt`, `fate` as a word. `next_at`:
    when it is tried again, 0: not any more."""

    what = "tried"

    recipient: EmailAddress | None = None
    fate: str = ""
    status: str = ""
    host: str = ""
    address: str = ""
    reply: str = ""
    reason: str = ""
    tls: str = ""
    security: str = ""
    policy: str = ""
    next_at: float = 0.0

    @classmethod
    def of(cls, identifier: str, attempt: Attempt, next_at: float = 0.0) -> Tried:
        """The event of an attempt."""
        return cls(
            identifier,
            attempt.at,
            attempt.recipient,
            attempt.fate.value,
            attempt.status,
            attempt.host,
            attempt.address,
            attempt.reply,
            attempt.reason,
            attempt.tls,
            attempt.security,
            attempt.policy,
            next_at,
        )


@dataclass(frozen=True, slots=True)
class GivenUp(Event):
    """A recipient is not tried any more, for a reason of ours."""

    what = "given up"

    recipient: EmailAddress | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Reported(Event):
    """The sender is told of recipients (RFC 3464). `report`: the identifier of that message, empty where none was
    written, and `words` says why; `to`: who gets it; `action`: `failed`, `delayed`, `delivered`, `relayed`."""

    what = "reported"

    report: str = ""
    to: EmailAddress | None = None
    action: str = ""
    recipients: tuple[EmailAddress, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class Operated(Event):
    """An operator did something to it in the queue. `verb`: `held`, `released`, `removed` …; `words`: what else
    there is to say."""

    what = "operated"

    verb: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """It, or a recipient of it, was not taken. `stage`: `mail`, `rcpt` or `end`, which refuses all recipients; `reply`:
    what the peer was told; `cause`: what it was not told. The other fields are as in `Received`."""

    what = "refused"
    is_beginning = True

    kind: str = ""
    peer: str = ""
    name: str = ""
    tls: str = ""
    user: str = ""
    stage: str = ""
    sender: EmailAddress | None = None
    recipients: tuple[EmailAddress, ...] = ()
    reply: str = ""
    cause: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Lost(Event):
    """So many events before this one could not be written. It belongs to no message."""

    what = "lost"

    count: int = 0


KINDS: tuple[type[Event], ...] = (
    Received,
    Decided,
    Kept,
    Enqueued,
    Tried,
    GivenUp,
    Reported,
    Operated,
    Refused,
    Lost,
)


def message_id_of(value: str) -> str:
    """The Message-ID in the value of a field, as it is remembered and asked for."""
    return value.strip()[:MESSAGE_ID_MAX]
