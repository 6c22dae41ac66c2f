"""What of twisted.mail can be reached on our servers: what is on the written list, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.mail import imap4, pop3, smtp

from mailbox_d.imap.server import INHERITED as IMAP_INHERITED
from mailbox_d.imap.server import IMAPServer
from mailbox_d.net.inherited import inherited_methods, is_method, without_inherited
from mailbox_d.pop3.server import INHERITED as POP3_INHERITED
from mailbox_d.pop3.server import POP3Server
from mailbox_d.smtp.server import INHERITED as SMTP_INHERITED
from mailbox_d.smtp.server import SMTPServer

DOCUMENT = Path(__file__).parents[3] / "docs" / "twisted.md"
SERVERS = [
    (SMTPServer, smtp.ESMTP, SMTP_INHERITED),
    (IMAPServer, imap4.IMAP4Server, IMAP_INHERITED),
    (POP3Server, pop3.POP3, POP3_INHERITED),
]


@pytest.mark.parametrize(("server", "base", "kept"), SERVERS)
def test_only_the_methods_on_the_list_resolve_to_twisted_mail(server: type, base: type, kept: frozenset[str]) -> None:
    reachable = {
        name
        for owner in server.__mro__
        if owner.__module__.startswith("twisted.mail")
        for name, value in vars(owner).items()
        if is_method(value) and not name.startswith("__") and getattr(server, name) is getattr(base, name)
    }
    assert reachable <= kept


@pytest.mark.parametrize(("server", "base", "kept"), SERVERS)
def test_every_method_on_the_list_is_in_use_and_documented(server: type, base: type, kept: frozenset[str]) -> None:
    for name in kept:
        assert hasattr(base, name)
        assert f"`{name}`" in DOCUMENT.read_text("utf-8")


@pytest.mark.parametrize(
    ("server", "method"),
    [
        (SMTPServer, "do_MAIL"),
        (SMTPServer, "state_COMMAND"),
        (SMTPServer, "ext_AUTH"),
        (SMTPServer, "lineReceived"),
        (SMTPServer, "dataLineReceived"),
        (IMAPServer, "do_LOGIN"),
        (IMAPServer, "dispatchCommand"),
        (IMAPServer, "lineReceived"),
        (IMAPServer, "_IMAP4Server__cbLogin"),
        (IMAPServer, "unauth_LOGIN"),
        (POP3Server, "do_DELE"),
        (POP3Server, "do_APOP"),
        (POP3Server, "processCommand"),
        (POP3Server, "lineReceived"),
        (POP3Server, "authenticateUserPASS"),
    ],
)
def test_a_sealed_method_raises(server: Any, method: str) -> None:
    with pytest.raises(NotImplementedError, match=method):
        getattr(server, method)(None, b"")


def test_the_seal_would_be_missed() -> None:
    class Unsealed(smtp.ESMTP):
        pass

    assert "do_MAIL" in inherited_methods(Unsealed)
    assert inherited_methods(without_inherited(keep=frozenset())(Unsealed)) == {}
