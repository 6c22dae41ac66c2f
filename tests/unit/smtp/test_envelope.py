"""What MAIL and RCPT leave in the transaction."""

from __future__ import annotations

from mailbox_d.address import EmailAddress
from mailbox_d.policy.transaction import NO_WISHES, Transaction, Wishes
from mailbox_d.queue.message import Notify, Return
from mailbox_d.wire.smtp.commands import Body
from tests.dialogues import smtp_servers

OUTSIDE = EmailAddress.parse("outside@example.org")
CAROL = EmailAddress.parse("carol@example.com")


def transaction(mail: bytes, *recipients: bytes) -> Transaction:
    """The transaction behind these commands, all of which are accepted."""
    connection = smtp_servers.smtp({"queue": "yes"})
    connection.connect()
    connection.send(b"EHLO a.example\r\n")
    connection.transport.take()
    for line in (b"MAIL FROM:" + mail, *(b"RCPT TO:" + recipient for recipient in recipients)):
        connection.send(line + b"\r\n")
        assert connection.transport.take().startswith(b"250")
    begun: Transaction = connection.protocol.session.transaction
    return begun


def test_what_is_said_of_the_message() -> None:
    begun = transaction(b"<dave@example.com> BODY=8BITMIME RET=HDRS ENVID=a+2Bb SIZE=5")
    assert (begun.body, begun.returns, begun.envelope_id) == (Body.EIGHT_BIT, Return.HEADERS, "a+2Bb")
    assert (begun.announced, begun.require_tls) == (5, False)


def test_what_is_said_of_recipients() -> None:
    begun = transaction(
        b"<>",
        b"<alice@example.org> NOTIFY=NEVER",
        b"<bob@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@example.net",
        b"<a.smith@example.org> ORCPT=rfc822;a@example.org",
        b"<postmaster@example.org>",
    )
    assert [recipient.wishes for recipient in begun.recipients] == [
        Wishes(Notify.NEVER, said_notify=True),
        Wishes(Notify.SUCCESS | Notify.FAILURE, said_notify=True, original="rfc822;b@example.net"),
        Wishes(original="rfc822;a@example.org"),
        NO_WISHES,
    ]


def test_where_mail_that_is_forwarded_goes() -> None:
    begun = transaction(b"<dave@example.com>", b"<outside+x@example.org>")
    (recipient,) = begun.recipients
    assert recipient.envelope == EmailAddress.parse("outside+x@example.org")
    assert recipient.remote == (CAROL,)
    assert recipient.is_forwarded
    assert not begun.copies


def test_a_recipient_that_is_named_again_is_there_once() -> None:
    begun = transaction(
        b"<>", b"<outside@example.org>", b"<outside@example.org>", b"<outside@example.org> NOTIFY=NEVER"
    )
    assert [recipient.wishes for recipient in begun.recipients] == [NO_WISHES]
    assert list(begun.elsewhere.values()) == [CAROL]
