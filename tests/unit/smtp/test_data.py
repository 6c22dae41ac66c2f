"""The message behind DATA: the time that it may take, and faults at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AuthenticationUnavailable, OverQuota
from mailbox_d.mime.header import HeaderScanner
from mailbox_d.net.lanes import InlineLane
from mailbox_d.policy.mailbox_room import MailboxRoom
from mailbox_d.policy.transaction import Client, Delivered, Transaction
from mailbox_d.policy.verdict import Refused
from mailbox_d.smtp.data import end
from mailbox_d.smtp.delivery import StrangerDelivery
from mailbox_d.smtp.incoming import BatchRoom, IncomingMessage
from mailbox_d.smtp.server import SMTPServer
from mailbox_d.smtp.session import SMTPSession
from mailbox_d.store.ports import Delivery, Outcome, Receipt, Refusal, Target
from tests.dialogues import smtp_servers
from tests.dialogues.memory import Connection
from tests.unit.relay.at_once import done


def in_data(**limits: int) -> Connection:
    """A client that was told to go ahead with its message."""
    connection = smtp_servers.smtp({f"limit.{name}": str(value) for name, value in limits.items()})
    connection.connect()
    for line in (b"HELO a.example", b"MAIL FROM:<>", b"RCPT TO:<alice@example.org>", b"DATA"):
        connection.send(line + b"\r\n")
    assert connection.transport.take().endswith(b"354 End the message with a dot on a line of its own\r\n")
    return connection


def seconds_until_closed(connection: Connection, piece: bytes, every: float, most: float) -> float:
    while not connection.closed and connection.clock.seconds() < most:
        connection.clock.advance(every)
        connection.send(piece)
    return connection.clock.seconds()


def test_attack_16_a_message_below_the_minimum_rate_is_cut_off() -> None:
    connection = in_data(data_timeout=60, data_minimum_rate=500)
    assert seconds_until_closed(connection, b"x", every=0.5, most=200) == pytest.approx(60, abs=1)
    assert connection.transport.take() == b"421 4.4.2 You took too long\r\n"


def test_a_message_above_the_minimum_rate_may_take_its_time() -> None:
    connection = in_data(data_timeout=60, data_minimum_rate=500)
    assert seconds_until_closed(connection, b"x" * 300, every=0.5, most=200) >= 200
    assert not connection.closed


def at_the_end(monkeypatch: pytest.MonkeyPatch, error: Exception) -> tuple[bytes, int]:
    """The reply to a message whose check fails with `error`, and how often the message was aborted by the end."""
    aborts: list[IncomingMessage] = []

    async def fail(delivery: StrangerDelivery, header: HeaderScanner) -> Refused | None:
        raise error

    async def abort(incoming: IncomingMessage) -> None:
        aborts.append(incoming)

    monkeypatch.setattr(StrangerDelivery, "validate_author", fail)
    monkeypatch.setattr(IncomingMessage, "abort", abort)
    connection = in_data()
    connection.send(b"Subject: x\r\n\r\n.\r\n")
    reply = connection.transport.take()
    if connection.closed:
        connection.protocol.connectionLost()
    return reply, len(aborts)


def test_a_realm_that_is_down_at_the_end_of_a_message_is_a_temporary_error(monkeypatch: pytest.MonkeyPatch) -> None:
    error = AuthenticationUnavailable("Users cannot be looked up now")
    assert at_the_end(monkeypatch, error) == (b"451 4.3.0 Users cannot be looked up now\r\n", 1)


def test_fault_39_a_fault_at_the_end_of_a_message_leaves_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SMTPServer, "log", Silent())
    reply = b"421 4.3.0 Something went wrong here, try again later\r\n"
    assert at_the_end(monkeypatch, RuntimeError("secret")) == (reply, 1)


class Silent:
    """A log for faults that are wanted."""

    def failure(self, *_: object, **__: object) -> None:
        pass


class Counted(tuple[EmailAddress, ...]):
    """Mailboxes, and how often they were looked through."""

    looks = 0

    def __iter__(self) -> Iterator[EmailAddress]:
        Counted.looks += 1
        return super().__iter__()


class Decided(Delivery):
    """A delivery whose end is known."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = outcomes

    def write(self, data: bytes) -> None:
        pass

    def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        return self._outcomes

    def abort(self) -> None:
        pass


@pytest.mark.parametrize(("is_full", "code", "looks"), [(False, 250, 0), (True, 452, 1)])
def test_replies_of_lmtp_cost_no_look_through_all_mailboxes_each(is_full: bool, code: int, looks: int) -> None:
    """A thousand forms of an alias of a thousand would hold the reactor."""
    mailboxes = Counted(EmailAddress("user", f"n{number}.example") for number in range(3))
    session = SMTPSession(smtp_servers.lmtp({}).protocol.service, "local")
    session.transaction = Transaction(Client("local", "pc", "LMTP"), None)
    for number in range(5):
        session.transaction.add(Delivered(EmailAddress(f"team+{number}", "example.org"), mailboxes))
    error = OverQuota("The mailbox is full")
    outcomes = [Refusal(Target(each), error) if is_full else Receipt(Target(each), "name") for each in mailboxes]
    delivery = Decided(*outcomes)
    session.incoming = IncomingMessage("ABC", lambda: delivery, InlineLane(), BatchRoom(0))
    Counted.looks = 0
    assert [reply.code for reply in done(end(session)).replies] == [code] * 5
    assert Counted.looks == looks


def test_room_is_asked_for_once_for_all_forms_of_an_address() -> None:
    asked: list[list[EmailAddress]] = []

    async def first_full(mailboxes: Sequence[EmailAddress], octets: int) -> EmailAddress | None:
        asked.append(list(mailboxes))
        return None

    connection = smtp_servers.smtp({"queue": "yes"})
    service = replace(connection.protocol.service, mailbox_room=MailboxRoom(first_full))
    connection.protocol.service = service
    connection.connect()
    rcpt = [f"RCPT TO:<sales+{number}@example.org> NOTIFY=SUCCESS" for number in range(3)]
    for line in ("EHLO pc.example", "MAIL FROM:<>", *rcpt, "DATA", "", "."):
        connection.send(line.encode() + b"\r\n")
    assert [len(mailboxes) for mailboxes in asked] == [2, 2, 2, 2]
