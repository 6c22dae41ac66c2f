"""MAIL, RCPT and RSET: the envelope (RFC 5321 sections 4.1.1.2, 4.1.1.3 and 4.1.1.5)."""

from __future__ import annotations

from dataclasses import replace

from mailbox_d.address import EmailAddress
from mailbox_d.policy.srs import is_rewritten
from mailbox_d.policy.transaction import NO_WISHES, Client, Delivered, Transaction, Wishes
from mailbox_d.policy.verdict import Reason, Refused
from mailbox_d.queue.message import Notify, Return
from mailbox_d.smtp.delivery import NO_SUCH_USER, RefusedByPolicy
from mailbox_d.smtp.event_log import log_refused
from mailbox_d.smtp.replies import (
    AUTH_FIRST,
    OK,
    RECIPIENT_OK,
    SENDER_OK,
    TLS_FIRST,
    TOO_BIG,
    TOO_MANY_RECIPIENTS,
    TOO_MANY_UNKNOWN,
    Answer,
    Then,
    reply_to_refusal,
)
from mailbox_d.smtp.service import Kind
from mailbox_d.smtp.session import SMTPSession
from mailbox_d.smtp.telling import tell_refused_recipient, tell_refused_sender
from mailbox_d.wire.smtp.commands import NEEDS_SMTPUTF8, UNKNOWN_PARAMETER, Mail, Plain, Recipient
from mailbox_d.wire.smtp.replies import Reply

_DELAYED_AT_MOST = 5.0
"""Seconds that a reply to an unknown recipient is held back at most."""


async def mail(session: SMTPSession, command: Mail) -> Answer:
    """Begin a transaction."""
    if session.service.kind is Kind.SUBMISSION and session.user is None:
        return session.bad_command(AUTH_FIRST if session.tls else TLS_FIRST)
    if refusal := _not_offered(session, command):
        return session.bad_command(refusal)
    limit = session.service.limits.message_size
    if command.size is not None and command.size > limit:
        tell_refused_sender(session, command.sender, TOO_BIG, f"it is said to have {command.size} octets")
        return Answer.of(TOO_BIG)
    if refused := await session.service.space.check(command.size or limit):
        return _refused_sender(session, command.sender, refused)
    if session.user is not None and (refused := session.service.daily.check(session.user.address)):
        return _refused_sender(session, command.sender, refused)
    client = session.client(smtputf8=command.smtputf8)
    try:
        sender = await session.delivery.validateFrom(client.name, command.sender)
    except RefusedByPolicy as error:
        return _refused_sender(session, command.sender, error.refused)
    session.begin_transaction(_transaction(client, sender, command))
    return Answer.of(SENDER_OK)


def _not_offered(session: SMTPSession, command: Mail) -> Reply | None:
    """The reply to a parameter that EHLO does not offer here."""
    if command.asks_for_reports and not session.offers_reports:
        return UNKNOWN_PARAMETER
    if command.require_tls and not session.offers_require_tls:
        return TLS_FIRST if session.can_start_tls and session.service.intake.takes_remote else UNKNOWN_PARAMETER
    return None


def _transaction(client: Client, sender: EmailAddress | None, command: Mail) -> Transaction:
    return Transaction(
        client,
        sender,
        command.smtputf8,
        announced=command.size or 0,
        body=command.body,
        envelope_id=command.envelope_id,
        returns=Return(command.returns) if command.returns else None,
        require_tls=command.require_tls,
    )


async def rcpt(session: SMTPSession, command: Recipient) -> Answer:
    """Add a recipient, if mail for it is taken here."""
    transaction = session.transaction
    assert transaction is not None
    if command.internationalized and not transaction.smtputf8:
        return Answer.of(NEEDS_SMTPUTF8)
    if command.asks_for_reports and not session.offers_reports:
        return session.bad_command(UNKNOWN_PARAMETER)
    if len(transaction.accepted) >= session.service.limits.recipients:
        return _too_many(session)
    try:
        address = command.address or await _postmaster(session)
        if known := transaction.known(address):
            transaction.add(known)
            return Answer.of(RECIPIENT_OK)
        delivered = await _destination(session, transaction, address)
    except RefusedByPolicy as error:
        return await _refused_recipient(session, command.address, error.refused)
    if _takes_too_many_files(transaction, delivered, session.service.limits.queue_files):
        return _too_many(session)
    if refused := await session.service.mailbox_room.check(delivered.mailboxes, transaction.announced):
        session.refused_recipients += 1
        return _refusal_of_recipient(session, address, refused)
    transaction.add(replace(delivered, wishes=_wishes(command)))
    return Answer.of(RECIPIENT_OK)


def _takes_too_many_files(transaction: Transaction, delivered: Delivered, most: int) -> bool:
    """Whether a recipient would have the queue keep the message once more; one alone may have it kept often."""
    return transaction.goes_elsewhere and transaction.queue_files_with(delivered) > max(most, transaction.queue_files)


def _too_many(session: SMTPSession) -> Answer:
    session.refused_recipients += 1
    return Answer.of(TOO_MANY_RECIPIENTS)


async def _destination(session: SMTPSession, transaction: Transaction, address: EmailAddress) -> Delivered:
    """Where mail for an address goes. Raises `RefusedByPolicy`, `AuthenticationUnavailable`."""
    delivered = await _returned(session, transaction, address) or await session.delivery.validateTo(address)
    if delivered.remote and not session.service.intake.takes_remote:
        raise RefusedByPolicy(Refused(Reason.RELAYING_DENIED, session.delivery.remote_refusal, str(address)))
    if delivered.remote and session.service.intake.is_full:
        raise RefusedByPolicy(Refused(Reason.NO_SPACE, "The queue is full, try again later", str(address)))
    return delivered


async def _returned(session: SMTPSession, transaction: Transaction, address: EmailAddress) -> Delivered | None:
    """Where a report about mail that we forwarded goes: to who sent it. Raises `RefusedByPolicy`.

    An address of that form is for reports alone, and nobody's else, the catch-all's neither: who has seen one could
    write through us to whom it leads.
    """
    forwarding, recipients = session.service.forwarding, session.service.recipients
    if forwarding is None or not is_rewritten(address) or not recipients.is_ours(address.domain):
        return None
    original = forwarding.original(address) if transaction.sender is None else None
    if original is None:
        raise RefusedByPolicy(Refused(Reason.UNKNOWN_RECIPIENT, NO_SUCH_USER, str(address)))
    if recipients.is_ours(original.domain):
        return await session.delivery.validateTo(original)
    return Delivered(address, (), (original,), via={original: address})


def _wishes(command: Recipient) -> Wishes:
    """What DSN's parameters ask for."""
    if not command.asks_for_reports:
        return NO_WISHES
    if command.notify is None:
        return Wishes(original=command.original)
    notify = Notify.NEVER
    for occasion in command.notify:
        notify |= Notify[occasion]
    return Wishes(notify, said_notify=True, original=command.original)


async def rset(session: SMTPSession, command: Plain) -> Answer:
    """Drop the transaction."""
    session.forget_transaction()
    return Answer.of(OK)


async def _postmaster(session: SMTPSession) -> EmailAddress:
    """Whom `<postmaster>` means; where no domain has one it is an unknown recipient like others."""
    address = await session.service.recipients.postmaster()
    if address is None:
        raise RefusedByPolicy(Refused(Reason.UNKNOWN_RECIPIENT, NO_SUCH_USER, "postmaster"))
    return address


def _refused_sender(session: SMTPSession, sender: EmailAddress | None, refused: Refused) -> Answer:
    log_refused(session, refused)
    reply = reply_to_refusal(refused)
    tell_refused_sender(session, sender, reply, refused.cause)
    return Answer.of(reply)


async def _refused_recipient(session: SMTPSession, address: EmailAddress | None, refused: Refused) -> Answer:
    """Refuse, slower with each unknown recipient: whoever tries out names gets few answers, and then none.

    A stranger who tries to relay is slowed alike; what a user writes to others is no attempt at anything.
    """
    session.refused_recipients += 1
    tries_to_relay = session.user is None and refused.reason is Reason.RELAYING_DENIED
    if tries_to_relay or refused.reason is Reason.UNKNOWN_RECIPIENT:
        limits = session.service.limits
        delay = min(session.unknown_recipients * limits.unknown_recipient_delay, _DELAYED_AT_MOST)
        session.unknown_recipients += 1
        if session.unknown_recipients > limits.unknown_recipients:
            return Answer.of(TOO_MANY_UNKNOWN, Then.CLOSE)
        if delay:
            await session.service.sleep(delay)
    return _refusal_of_recipient(session, address, refused)


def _refusal_of_recipient(session: SMTPSession, address: EmailAddress | None, refused: Refused) -> Answer:
    log_refused(session, refused)
    reply = reply_to_refusal(refused)
    tell_refused_recipient(session, address, reply, refused.cause)
    return Answer.of(reply)
