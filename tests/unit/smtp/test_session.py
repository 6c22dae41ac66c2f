"""What a session says of its client."""

from __future__ import annotations

import pytest

from mailbox_d.smtp.service import Kind
from tests.dialogues import smtp_servers
from tests.dialogues.memory import Connection

KINDS = {Kind.SMTP: smtp_servers.smtp, Kind.LMTP: smtp_servers.lmtp}


@pytest.mark.parametrize(
    ("kind", "hello", "parameters", "protocol"),
    [
        (Kind.SMTP, b"HELO", b"", "SMTP"),
        (Kind.SMTP, b"EHLO", b"", "ESMTP"),
        (Kind.SMTP, b"EHLO", b" SMTPUTF8", "UTF8SMTP"),
        (Kind.LMTP, b"LHLO", b"", "LMTP"),
        (Kind.LMTP, b"LHLO", b" SMTPUTF8", "UTF8LMTP"),
    ],
)
def test_the_protocol_that_received_tells(kind: Kind, hello: bytes, parameters: bytes, protocol: str) -> None:
    connection: Connection = KINDS[kind]({})
    connection.connect()
    connection.send(hello + b" a.example\r\n")
    connection.send(b"MAIL FROM:<>" + parameters + b"\r\n")
    assert connection.protocol.session.transaction.client.protocol == protocol
