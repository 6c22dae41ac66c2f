"""POP3 command lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.pop3 import commands, replies
from mailbox_d.wire.pop3.commands import BadCommand, is_http, parse_command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"CAPA", commands.Capa()),
        (b"stls", commands.Stls()),
        (b"UTF8", commands.Utf8()),
        (b"USER ann@example.org", commands.User("ann@example.org")),
        ("USER ä@example.org".encode(), commands.User("ä@example.org")),
        (b"PASS  two blanks ", commands.Pass(b" two blanks ")),
        (b"PASS \xff", commands.Pass(b"\xff")),
        (b"AUTH plain", commands.Auth("PLAIN")),
        (b"AUTH PLAIN =", commands.Auth("PLAIN", b"=")),
        (b"LIST", commands.List()),
        (b"LIST ", commands.List()),
        (b"LIST 007", commands.List(7)),
        (b"UIDL 1", commands.Uidl(1)),
        (b"TOP 1 0", commands.Top(1, 0)),
        (b"TOP 1  4294967296", commands.Top(1, 4294967296)),
        (b"RETR 0", commands.Retr(0)),
        (b"DELE 2", commands.Dele(2)),
        (b"QUIT ", commands.Quit()),
    ],
)
def test_commands(line: bytes, command: commands.Command) -> None:
    assert parse_command(line) == command


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" NOOP",
        b"NOOP x",
        b"UTF8 x",
        b"USER",
        b"USER  ",
        b"USER \xff",
        b"PASS",
        b"PASS ",
        b"AUTH",
        b"AUTH PLAIN a b",
        b"TOP 1",
        b"RETR",
        b"RETR -1",
        b"RETR +1",
        b"RETR 1.0",
        b"RETR 1_0",
        b"RETR 12345678901",
        b"DELE 1 1",
        b"LIST \0",
        b"LIST a",
        b"RETR \xd9\xa1",
        b"RETR\t1",
        b"APOP a b",
        b"NO\rOP",
        b"A" * 10000,
    ],
)
def test_what_is_no_command(line: bytes) -> None:
    with pytest.raises(BadCommand):
        parse_command(line)


@given(st.binary(max_size=100))
def test_nothing_but_bad_command_is_raised(line: bytes) -> None:
    try:
        parse_command(line)
    except BadCommand as error:
        assert error.public.isascii()


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr([commands.Pass(b"secret"), commands.Auth("PLAIN", b"secret")])


def test_attack_8_http_is_known() -> None:
    assert is_http(b"GET /x HTTP/1.1") and is_http(b"Cookie: QUIT") and not is_http(b"USER a:b")


def test_no_text_ends_a_reply_early() -> None:
    assert replies.err("a\r\n+OK b\xff" + "c" * 1000, "AUTH").count(b"\r\n") == 1
    assert len(replies.ok("c" * 1000)) == replies.MAX_REPLY_LINE
