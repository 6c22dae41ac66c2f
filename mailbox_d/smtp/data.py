"""DATA and what follows it: the message itself (RFC 5321 section 4.1.1.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mailbox_d.errors import MailError, OverQuota
from mailbox_d.policy.content import check_circle, check_header
from mailbox_d.policy.transaction import Transaction
from mailbox_d.policy.verdict import Refused
from mailbox_d.smtp.event_log import log_kept, log_not_kept, log_refused
from mailbox_d.smtp.incoming import IncomingMessage, new_identifier
from mailbox_d.smtp.replies import (
    BARE_NEWLINE_IN_MESSAGE,
    GO_AHEAD_DATA,
    NO_VALID_RECIPIENTS,
    RECIPIENT_FIRST,
    TOO_BIG,
    Answer,
    Then,
    reply_to_error,
    reply_to_refusal,
)
from mailbox_d.smtp.service import Kind
from mailbox_d.smtp.session import SMTPSession, Stage
from mailbox_d.smtp.telling import tell_refused_message, tell_taken
from mailbox_d.store.ports import Outcome, Refusal
from mailbox_d.wire.smtp.commands import Plain
from mailbox_d.wire.smtp.replies import Reply

_Written = tuple[str, str]
"""A recipient, as it is written."""

_DISCARDED_AT_MOST = 2
"""How many times the size limit is read of a message that is too big, before the connection is closed on it."""


async def data(session: SMTPSession, command: Plain) -> Answer:
    """Ask for the message, if there is somebody to give it to."""
    if session.stage is not Stage.RECIPIENTS:
        return Answer.of(NO_VALID_RECIPIENTS if session.refused_recipients else RECIPIENT_FIRST)
    assert session.transaction is not None
    service = session.service
    identifier = new_identifier()
    begins = service.intake.begin_in_parts if service.kind is Kind.LMTP else service.intake.begin
    begin = partial(begins, session.transaction, identifier, service.clock())
    lane = service.lane.of(*map(str, session.transaction.copies))
    session.incoming = IncomingMessage(identifier, begin, lane, service.room)
    session.began_data = service.monotonic()
    return Answer.of(GO_AHEAD_DATA, Then.READ_MESSAGE)


async def piece(session: SMTPSession, octets: bytes) -> Answer | None:
    """Take a piece of the message; no answer unless the message has gone beyond all bounds."""
    incoming = session.incoming
    assert incoming is not None
    try:
        await incoming.take(octets)
    except MailError as error:
        log_not_kept(session, error)
        await incoming.refuse(reply_to_error(error), str(error))
    if incoming.size > session.service.limits.message_size:
        await incoming.refuse(TOO_BIG)
    if refused := check_header(incoming.header, session.service.limits.header):
        await incoming.refuse(reply_to_refusal(refused))
    if incoming.size > session.service.limits.message_size * _DISCARDED_AT_MOST:
        assert session.transaction is not None
        tell_refused_message(session, session.transaction, incoming, TOO_BIG)
        session.forget_transaction()
        return Answer.of(TOO_BIG, Then.CLOSE)
    return None


async def bare_newline(session: SMTPSession) -> None:
    """The message has a CR or LF that stands alone: whatever else it holds, it will be refused."""
    assert session.incoming is not None
    await session.incoming.refuse(BARE_NEWLINE_IN_MESSAGE)


def time_left(session: SMTPSession) -> float:
    """Seconds in which the next piece must come: bounded silence, and not below the minimum rate as a whole."""
    assert session.incoming is not None
    limits = session.service.limits
    if not limits.data_minimum_rate:
        return limits.data_timeout
    allowed = limits.data_timeout + session.incoming.size / limits.data_minimum_rate
    return min(limits.data_timeout, max(0.0, allowed - (session.service.monotonic() - session.began_data)))


async def end(session: SMTPSession) -> Answer:
    """The message is complete: check it, keep it, and only then say so.

    The session forgets it last: what a fault of ours leaves half done is aborted with the connection.
    """
    incoming, transaction = session.incoming, session.transaction
    assert incoming is not None and transaction is not None
    incoming.header.finish()
    if incoming.refusal is None:
        await _examine(session, incoming)
    refusal = incoming.refusal
    if refusal is not None:
        tell_refused_message(session, transaction, incoming, refusal)
        then = Then.CLOSE if refusal is BARE_NEWLINE_IN_MESSAGE else Then.CONTINUE
        answer = _for_each_recipient(session, transaction, refusal, then=then)
    else:
        answer = await _keep(session, incoming, transaction)
    session.forget_transaction()
    return answer


async def _examine(session: SMTPSession, incoming: IncomingMessage) -> None:
    try:
        refused = await _check(session, incoming)
    except MailError as error:
        log_not_kept(session, error)
        await incoming.refuse(reply_to_error(error), str(error))
    else:
        if refused is not None:
            log_refused(session, refused)
            await incoming.refuse(reply_to_refusal(refused), refused.cause)


async def _check(session: SMTPSession, incoming: IncomingMessage) -> Refused | None:
    if refused := check_header(incoming.header, session.service.limits.header):
        return refused
    assert session.transaction is not None
    if refused := check_circle(incoming.header, session.transaction):
        return refused
    if refused := await session.delivery.validate_author(incoming.header):
        return refused
    return await _check_room(session, session.transaction, incoming.size)


async def _check_room(session: SMTPSession, transaction: Transaction, size: int) -> Refused | None:
    """Refuse what goes to a full mailbox by way of the queue, while its client can still be told."""
    whole = (transaction.lead(each) for each in transaction.recipients if each.is_queued_whole)
    leads = {each.envelope.written: each for each in whole}.values()
    mailboxes = [mailbox for each in leads for mailbox in each.mailboxes]
    if not mailboxes:
        return None
    alone = len(transaction.recipients) == len(mailboxes) == 1
    return await session.service.mailbox_room.check(mailboxes, size, alone=alone)


async def _keep(session: SMTPSession, incoming: IncomingMessage, transaction: Transaction) -> Answer:
    """Deliver. SMTP has one reply for all recipients, so all copies stand or none; LMTP tells of each."""
    is_lmtp = session.service.kind is Kind.LMTP
    try:
        outcomes = await incoming.commit(all_or_nothing=not is_lmtp)
    except MailError as error:
        await incoming.abort()
        reply = _reply_to_not_kept(session, transaction, error)
        tell_refused_message(session, transaction, incoming, reply, str(error))
        return _for_each_recipient(session, transaction, reply)
    failed = _failures(session, transaction, outcomes)
    if len(failed) < len(transaction.recipients):
        tell_taken(session, transaction, incoming, outcomes, failed)
        _note_kept(session, incoming, transaction)
    else:
        tell_refused_message(session, transaction, incoming, next(iter(failed.values())))
    accepted = Reply(250, "2.0.0", f"Ok, kept as {incoming.identifier}")
    return _for_each_recipient(session, transaction, accepted, failed)


def _note_kept(session: SMTPSession, incoming: IncomingMessage, transaction: Transaction) -> None:
    """The message is in a mailbox or in the queue: tell the operator, count it, let the session begin anew."""
    log_kept(session, transaction, incoming)
    session.junk_commands = 0
    if session.user is not None:
        session.service.daily.count(session.user.address)


def _failures(session: SMTPSession, transaction: Transaction, outcomes: Sequence[Outcome]) -> dict[_Written, Reply]:
    """The recipients that have not all copies that they lead to, and the reply that tells so."""
    errors = {outcome.target.address: outcome.error for outcome in outcomes if isinstance(outcome, Refusal)}
    replies = {error: _reply_to_not_kept(session, transaction, error) for error in dict.fromkeys(errors.values())}
    failed: dict[_Written, Reply] = {}
    for recipient in transaction.recipients if errors else ():
        lead = transaction.lead(recipient)
        if lead is not recipient:
            reply = failed.get(lead.envelope.written)
        else:
            refused = recipient.mailboxes or (recipient.envelope,)
            reply = next((replies[errors[address]] for address in refused if address in errors), None)
        if reply is not None:
            failed[recipient.envelope.written] = reply
    return failed


def _reply_to_not_kept(session: SMTPSession, transaction: Transaction, error: MailError) -> Reply:
    """Tell the operator, and the client whether to come again: a full mailbox is no reason to refuse others' copies."""
    if not isinstance(error, OverQuota):
        log_not_kept(session, error)
        return reply_to_error(error)
    alone = session.service.kind is Kind.LMTP or len(transaction.copies) == 1
    refused = session.service.mailbox_room.refused(error.cause, alone=alone)
    log_refused(session, refused)
    return reply_to_refusal(refused)


def _for_each_recipient(
    session: SMTPSession,
    transaction: Transaction,
    reply: Reply,
    others: Mapping[_Written, Reply] | None = None,
    then: Then = Then.CONTINUE,
) -> Answer:
    """The replies behind a message: one, or in LMTP one for each accepted recipient (RFC 2033 section 4.2); `others`:
    of those that have another one."""
    recipients = transaction.accepted if session.service.kind is Kind.LMTP else transaction.accepted[:1]
    others = others or {}
    return Answer(tuple(others.get(recipient.envelope.written, reply) for recipient in recipients), then)
