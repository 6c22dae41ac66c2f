"""What the record is told of mail that comes in: whose copies are where, and what was refused and why."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError
from mailbox_d.policy.transaction import Delivered, Transaction
from mailbox_d.record.events import Decided, Enqueued, Event, Kept, Received, Refused, message_id_of
from mailbox_d.smtp.incoming import IncomingMessage, new_identifier
from mailbox_d.smtp.session import SMTPSession
from mailbox_d.store.ports import Outcome, Receipt, Refusal
from mailbox_d.wire.smtp.replies import Reply

_RECIPIENTS_MAX = 100
"""Recipients of a message that was refused whole, which are remembered."""


def tell_taken(
    session: SMTPSession,
    transaction: Transaction,
    incoming: IncomingMessage,
    outcomes: Sequence[Outcome],
    failed: Container[tuple[str, str]] = (),
) -> None:
    """A message is in mailboxes, in the queue, or both; in some mailboxes perhaps not. `failed`: the recipients, as
    they are written, of whom nothing is in the queue."""
    tell, identifier, at = session.service.record.tell, incoming.identifier, session.service.clock()
    tell(_received(session, transaction, incoming, at))
    for recipient in transaction.recipients:
        if recipient.mailboxes != (recipient.envelope,) and recipient.remote != (recipient.envelope,):
            tell(_where_it_leads(identifier, at, recipient, transaction.lead(recipient)))
    for outcome in outcomes:
        tell(_outcome(identifier, at, transaction.copies.get(outcome.target.address), outcome))
    _tell_all(session, Enqueued.for_all(identifier, at, _queued(transaction, failed)))


def tell_refused_sender(session: SMTPSession, sender: EmailAddress | None, reply: Reply, cause: str) -> None:
    """MAIL was refused."""
    session.service.record.tell(_refused(session, new_identifier(), "mail", sender, (), reply, cause))


def tell_refused_recipient(session: SMTPSession, recipient: EmailAddress | None, reply: Reply, cause: str) -> None:
    """RCPT was refused."""
    sender = session.transaction.sender if session.transaction is not None else None
    recipients = () if recipient is None else (recipient,)
    session.service.record.tell(_refused(session, new_identifier(), "rcpt", sender, recipients, reply, cause))


def tell_refused_message(
    session: SMTPSession, transaction: Transaction, incoming: IncomingMessage, reply: Reply, cause: str = ""
) -> None:
    """The message itself was refused, or could be kept for nobody."""
    recipients = tuple(recipient.envelope for recipient in transaction.recipients[:_RECIPIENTS_MAX])
    why, message_id = cause or incoming.cause, _message_id(incoming)
    event = _refused(session, incoming.identifier, "end", transaction.sender, recipients, reply, why, message_id)
    session.service.record.tell(event)


def _tell_all(session: SMTPSession, events: Iterable[Event]) -> None:
    for event in events:
        session.service.record.tell(event)


def _received(session: SMTPSession, transaction: Transaction, incoming: IncomingMessage, at: float) -> Received:
    client = transaction.client
    return Received(
        incoming.identifier,
        at,
        session.service.kind.value,
        client.host,
        client.name,
        client.protocol,
        client.tls,
        _user(session),
        transaction.sender,
        incoming.size,
        _message_id(incoming),
    )


def _refused(
    session: SMTPSession,
    identifier: str,
    stage: str,
    sender: EmailAddress | None,
    recipients: tuple[EmailAddress, ...],
    reply: Reply,
    cause: str,
    message_id: str = "",
) -> Refused:
    return Refused(
        identifier,
        session.service.clock(),
        session.service.kind.value,
        session.peer,
        session.hello.name if session.hello is not None else "",
        session.tls,
        _user(session),
        stage,
        sender,
        recipients,
        _text(reply),
        cause,
        message_id,
    )


def _queued(transaction: Transaction, failed: Container[tuple[str, str]]) -> tuple[EmailAddress, ...]:
    """What is in the queue."""
    if not failed:
        return tuple(transaction.elsewhere.values())
    leads = (each for each in transaction.recipients if transaction.lead(each) is each)
    taken = (each for each in leads if each.envelope.written not in failed)
    return tuple({address.written: address for each in taken for address in each.elsewhere}.values())


def _where_it_leads(identifier: str, at: float, recipient: Delivered, lead: Delivered) -> Decided:
    """Which kind of entry led an address to others; to many others only of the first of those that lead there."""
    targets = recipient.mailboxes + recipient.remote
    if recipient is not lead and len(targets) > 1:
        words = f"it leads where <{lead.envelope}> does"
        return Decided(identifier, at, "recipients", "accepted", words, recipient.envelope)
    if recipient.by_catch_all:
        words = "nobody has this address; the domain's catch-all takes it"
    elif recipient.mailboxes == (recipient.envelope.without_suffix(),):
        words = "the address without its suffix"
    else:
        words = "an alias"
    return Decided(identifier, at, "recipients", "accepted", words, recipient.envelope, targets)


def _outcome(identifier: str, at: float, envelope: EmailAddress | None, outcome: Outcome) -> Event:
    """`envelope`: the recipient who led to the mailbox; None where it is of a recipient without one."""
    target = outcome.target
    if envelope is None and isinstance(outcome, Refusal):
        return Decided(identifier, at, "queue", "refused", _words(outcome.error), target.address)
    if isinstance(outcome, Receipt):
        return Kept(identifier, at, envelope, target.address, target.mailbox, outcome.name, outcome.uid or 0)
    return Decided(identifier, at, "mailbox", "refused", _words(outcome.error), envelope, (target.address,))


def _words(error: MailError) -> str:
    return f"{error.public} ({error.cause})" if error.cause else error.public


def _user(session: SMTPSession) -> str:
    return str(session.user.address) if session.user is not None else ""


def _message_id(incoming: IncomingMessage) -> str:
    values = incoming.header.values["message-id"]
    return message_id_of(values[0]) if values else ""


def _text(reply: Reply) -> str:
    """What a peer was told, codes and all."""
    lines = (reply.text,) if isinstance(reply.text, str) else reply.text
    return " ".join(filter(None, (str(reply.code), reply.status, *lines)))
