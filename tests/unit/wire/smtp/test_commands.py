"""SMTP command lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.wire.smtp import commands
from mailbox_d.wire.smtp.commands import (
    Auth,
    Body,
    CommandSyntaxError,
    Hello,
    Mail,
    Plain,
    Recipient,
    is_http,
    parse_command,
)

ALICE = EmailAddress.parse("alice@example.org")


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"EHLO mail.example.net", Hello("EHLO", "mail.example.net")),
        (b"helo localhost", Hello("HELO", "localhost")),
        (b"EHLO [192.0.2.1]", Hello("EHLO", "[192.0.2.1]")),
        (b"LHLO [IPv6:2001:db8::1]", Hello("LHLO", "[IPv6:2001:db8::1]")),
        (b"MAIL FROM:<>", Mail(None)),
        (b"mail from:<alice@example.org>", Mail(ALICE)),
        (b"MAIL FROM: <alice@example.org>", Mail(ALICE)),
        (b"MAIL FROM:<alice@example.org> SIZE=12 BODY=8BITMIME", Mail(ALICE, 12, Body.EIGHT_BIT)),
        (b"MAIL FROM:<alice@example.org> body=8bitmime AUTH=<>", Mail(ALICE, None, Body.EIGHT_BIT)),
        (b"MAIL FROM:<@relay.example:alice@example.org>", Mail(ALICE)),
        ("MAIL FROM:<élise@example.org> SMTPUTF8".encode(), Mail(EmailAddress("élise", "example.org"), smtputf8=True)),
        (b"RCPT TO:<alice@example.org>", Recipient(ALICE)),
        (b"RCPT TO:<Postmaster>", Recipient(None)),
        (b'RCPT TO:<"a > b"@example.org>', Recipient(EmailAddress("a > b", "example.org"))),
        (b"AUTH plain AGFsaWNlAHBhc3M=", Auth("PLAIN", b"AGFsaWNlAHBhc3M=")),
        (b"AUTH PLAIN =", Auth("PLAIN", b"=")),
        (b"AUTH LOGIN", Auth("LOGIN", None)),
        (b"NOOP anything at all", Plain("NOOP", "anything at all")),
        (b"QUIT ", Plain("QUIT")),
    ],
)
def test_commands(line: bytes, command: object) -> None:
    assert parse_command(line) == command


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"", commands.UNRECOGNISED),
        (b"FROB", commands.UNRECOGNISED),
        (b"DATA now", commands.NO_ARGUMENT),
        (b"EHLO", commands.BAD_NAME),
        (b"EHLO [999.1.1.1]", commands.BAD_NAME),
        (b"EHLO a b", commands.BAD_NAME),
        (b"EHLO [IPv6:fe80::1%) by evil.example (x]", commands.BAD_NAME),
        (b"MAIL alice@example.org", commands.BAD_SENDER),
        (b"MAIL FROM:alice@example.org", commands.BAD_SENDER),
        (b"MAIL FROM:<alice@example.org", commands.BAD_SENDER),
        (b"RCPT TO:<>", commands.BAD_RECIPIENT),
        (b"RCPT TO:<alice@example.org> NOTIFY=NEVER", commands.UNKNOWN_PARAMETER),
        (b"MAIL FROM:<> SIZE=1 SIZE=2", commands.BAD_PARAMETER),
        (b"MAIL FROM:<> SIZE=ten", commands.BAD_PARAMETER),
        (b"MAIL FROM:<> BODY=BINARYMIME", commands.BAD_PARAMETER),
        (b"MAIL FROM:<> X-OTHER=1", commands.UNKNOWN_PARAMETER),
        (b"MAIL FROM:<> AUTH=x+0AEvil", commands.BAD_PARAMETER),
        ("MAIL FROM:<élise@example.org>".encode(), commands.NEEDS_SMTPUTF8),
        (b"AUTH", commands.BAD_AUTH),
        (b"AUTH PLAIN a b", commands.BAD_AUTH),
    ],
)
def test_refusals(line: bytes, reply: object) -> None:
    assert refusal(line) == reply


def refusal(line: bytes) -> object:
    with pytest.raises(CommandSyntaxError) as caught:
        parse_command(line)
    return caught.value.reply


@pytest.mark.parametrize("octet", [b"\0", b"\x1b", b"\x7f", b"\r", b"\x80", b"\xff"])
@pytest.mark.parametrize("line", [b"NO%bOP", b"EHLO a%b", b"MAIL FROM:<a%b@example.org>", b"VRFY %b"])
def test_attack_11_control_and_8_bit_octets_are_501(line: bytes, octet: bytes) -> None:
    assert refusal(line % octet).code == 501  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path",
    [
        b'"">@d',
        b'"a\r\nRCPT TO:<b>"@d',
        b"a@b@c",
        b"@r:",
        b"[IPv6:",
        b"a@[IPv6:",
        b"a@example.org.",
        b"a@" + b"d" * 64 + b".org",
        b"a@" + b"d." * 128,
        b"x" * 65 + b"@example.org",
        b"a@example.org\xc3",
        b"@example.org",
        b"a@",
        b"a b@example.org",
        b"(a)b@example.org",
        b".a@example.org",
        b"a..b@example.org",
    ],
)
def test_attack_23_what_is_no_address_is_501(path: bytes) -> None:
    assert refusal(b"RCPT TO:<" + path + b">").code == 501  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path", [b"a%b@example.org", b"a!b@example.org", b";sleep 66;@x", b"|x@d", b"-oQ@d", b"../x@d"]
)
def test_attack_24_odd_local_parts_are_one_address_or_none(path: bytes) -> None:
    try:
        command = parse_command(b"RCPT TO:<" + path + b">")
    except CommandSyntaxError as error:
        assert error.reply.code == 501
    else:
        assert isinstance(command, Recipient)
        assert str(command.address) == path.decode()


def test_attack_26_an_escape_sequence_in_a_greeting_is_refused() -> None:
    assert refusal(b"EHLO a\x1b[2J") == commands.BAD_CHARACTERS
    assert refusal(b"EHLO " + b"x" * 2000) == commands.BAD_NAME


def test_attack_21_a_size_beyond_reason_is_refused() -> None:
    assert parse_command(b"MAIL FROM:<> SIZE=" + b"9" * 20) == Mail(None, int("9" * 20))
    assert refusal(b"MAIL FROM:<> SIZE=1" + b"0" * 20) == commands.BAD_PARAMETER


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"CONNECT a:25 HTTP/1.1", b"Host: x", b"Cookie: EHLO"]
)
def test_attack_8_http_is_known_when_it_is_met(line: bytes) -> None:
    assert is_http(line)


@pytest.mark.parametrize("line", [b"EHLO x", b"MAIL FROM:<a@b>", b"RCPT TO:<a@b>", b"HELP", b"PRINT"])
def test_smtp_is_not_taken_for_http(line: bytes) -> None:
    assert not is_http(line)


@given(st.binary(max_size=100))
def test_any_line_is_a_command_or_a_refusal(line: bytes) -> None:
    try:
        parse_command(line)
    except CommandSyntaxError as error:
        assert 500 <= error.reply.code < 600


@given(st.sampled_from([b"MAIL FROM:<%b>", b"RCPT TO:<%b> ", b"EHLO %b", b"AUTH %b"]), st.binary(max_size=60))
def test_any_argument_is_taken_or_refused(form: bytes, argument: bytes) -> None:
    test_any_line_is_a_command_or_a_refusal.hypothesis.inner_test(form % argument)  # type: ignore[attr-defined]
