"""A client of submission whose user is another one than at login, or may be there no more."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from mailbox_d.auth.realm import SenderGrant, Service, User
from mailbox_d.errors import AuthenticationUnavailable
from tests.dialogues import smtp_servers
from tests.dialogues.memory import Connection

LOGIN = b"AUTH PLAIN " + base64.b64encode(b"\0alice@example.org\0pass")
MESSAGE = b"From: %s\r\nDate: Sat, 3 Jan 2026 10:00:00 +0000\r\nMessage-ID: <a@example.org>\r\n\r\nx\r\n"
BOSS = b"boss@example.com"
DISMISSED = b"421 4.7.0 This login is no longer good\r\n"


class Client:
    """Alice, logged in; what her realm says of her may change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connection: Connection = smtp_servers.submission({})
        self.connection.connect()
        self.now: User | Exception | None = None
        self.say(b"EHLO a.example")
        assert self.say(b"STARTTLS").startswith(b"220 ")
        self.connection.finish_handshake()
        self.say(b"EHLO a.example")
        assert self.say(LOGIN).startswith(b"235 ")
        recipients = self.connection.protocol.service.recipients
        self.now = self.connection.protocol.session.user
        monkeypatch.setattr(recipients, "find_user", self._find_user)

    async def _find_user(self, address: object) -> User | None:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def say(self, *lines: bytes) -> bytes:
        self.connection.transport.take()
        self.connection.send(b"".join(line + b"\r\n" for line in lines))
        return self.connection.transport.take()

    def changes(self, **keys: Any) -> None:
        assert isinstance(self.now, User)
        self.now = replace(self.now, **keys)

    def begins(self, sender: bytes = b"alice@example.org") -> bytes:
        return self.say(b"MAIL FROM:<" + sender + b">")

    def ends(self, author: bytes = b"alice@example.org") -> bytes:
        assert self.say(b"RCPT TO:<bob@example.net>").startswith(b"250 ")
        assert self.say(b"DATA").startswith(b"354 ")
        return self.say(MESSAGE % author + b".")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    return Client(monkeypatch)


def test_attack_40_a_grant_counts_as_long_as_it_is_there(client: Client) -> None:
    assert client.begins(BOSS).startswith(b"550 5.7.1 ")
    client.changes(senders=(SenderGrant.parse("@example.com"),))
    assert client.begins(BOSS).startswith(b"250 ") and client.ends(BOSS).startswith(b"250 ")
    assert client.begins(BOSS).startswith(b"250 ")
    client.changes(senders=())
    assert client.ends(BOSS).startswith(b"550 5.7.1 ")
    assert client.begins(BOSS).startswith(b"550 5.7.1 ")


@pytest.mark.parametrize("keys", [{"enabled": False}, {"services": frozenset({Service.IMAP})}, None])
def test_attack_40_who_may_send_no_more_sends_nothing_before_the_session_ends(
    client: Client, keys: dict[str, Any] | None
) -> None:
    assert client.begins().startswith(b"250 ")
    if keys is None:
        client.now = None
    else:
        client.changes(**keys)
    assert client.ends().startswith(b"550 5.7.1 You may send no more")
    assert client.begins().startswith(b"550 5.7.1 You may send no more")


def test_a_realm_that_cannot_be_asked_puts_the_message_off(client: Client) -> None:
    assert client.begins().startswith(b"250 ")
    client.now = AuthenticationUnavailable("Users cannot be looked up now")
    assert client.ends().startswith(b"451 ")
    assert client.begins().startswith(b"451 ")


def test_a_session_ends_between_commands(client: Client) -> None:
    client.connection.protocol.dismiss()
    assert client.connection.transport.take() == DISMISSED
    assert client.connection.closed


def test_a_message_that_was_begun_is_not_taken(client: Client) -> None:
    assert client.begins().startswith(b"250 ")
    client.say(b"RCPT TO:<bob@example.net>")
    client.say(b"DATA")
    client.say(b"Subject: x")
    client.connection.protocol.dismiss()
    assert client.connection.transport.take() == DISMISSED
    assert client.say(b"", b".", b"NOOP") == b""


def test_a_message_that_was_taken_is_told_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_meanwhile(*told: object) -> None:
        client.connection.protocol.dismiss()

    assert client.begins().startswith(b"250 ")
    monkeypatch.setattr("mailbox_d.smtp.data.log_kept", ends_meanwhile)
    answer = client.ends()
    assert answer.startswith(b"250 2.0.0 ") and answer.endswith(DISMISSED)
    assert client.connection.closed
