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
from mailbox_d.wire.smtp.xtext import as_seven_bit, decode_unitext

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
        (b"RCPT TO:<alice@example.org> SIZE=1", commands.UNKNOWN_PARAMETER),
        (b"MAIL FROM:<> SIZE=1 SIZE=2", commands.BAD_PARAMETER),
        (b"MAIL FROM:<> SIZE=ten", commands.BAD_PARAMETER),
        (b"MAIL FROM:<> BODY=BINARYMIME", commands.BAD_PARAMETER),
        (b"MAIL FROM:<> X-OTHER=1", commands.UNKNOWN_PARAMETER),
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


@pytest.mark.parametrize(
    ("parameters", "command"),
    [
        (b"RET=full", Mail(ALICE, returns="FULL")),
        (b"RET=HDRS ENVID=QQ314159", Mail(ALICE, returns="HDRS", envelope_id="QQ314159")),
        (b"ENVID=a+2Bb+3D+20c", Mail(ALICE, envelope_id="a+2Bb+3D+20c")),
        (b"ENVID=" + b"x" * 100, Mail(ALICE, envelope_id="x" * 100)),
        (b"REQUIRETLS", Mail(ALICE, require_tls=True)),
        (b"AUTH=e+C3+A9@example.org", Mail(ALICE)),
    ],
)
def test_what_mail_says_of_reports_and_tls(parameters: bytes, command: Mail) -> None:
    assert parse_command(b"MAIL FROM:<alice@example.org> " + parameters) == command


@pytest.mark.parametrize(
    ("parameters", "command"),
    [
        (b"NOTIFY=never", Recipient(ALICE, notify=frozenset())),
        (b"NOTIFY=SUCCESS,delay", Recipient(ALICE, notify=frozenset({"SUCCESS", "DELAY"}))),
        (b"ORCPT=rfc822;Bob+2B1@example.org", Recipient(ALICE, original="rfc822;Bob+2B1@example.org")),
        (b"ORCPT=x400;+20odd", Recipient(ALICE, original="x400;+20odd")),
        (b"ORCPT=rfc822;" + b"x" * 493, Recipient(ALICE, original="rfc822;" + "x" * 493)),
        (rb"ORCPT=utf-8;\x{E9}@example.org", Recipient(ALICE, original=r"utf-8;\x{E9}@example.org")),
        ("ORCPT=UTF-8;é@example.org".encode(), Recipient(ALICE, True, original=r"UTF-8;\x{E9}@example.org")),
    ],
)
def test_what_rcpt_says_of_reports(parameters: bytes, command: Recipient) -> None:
    assert parse_command(b"RCPT TO:<alice@example.org> " + parameters) == command


@pytest.mark.parametrize(
    "parameters",
    [
        b"RET=",
        b"RET=BODY",
        b"RET=FULL RET=FULL",
        b"ENVID",
        b"ENVID=" + b"x" * 101,
        b"ENVID=a=b",
        b"ENVID=+4",
        b"ENVID=+4g",
        b"ENVID=+2b",
        b"ENVID=e+C3+A9",
        "ENVID=é".encode(),
        b"REQUIRETLS=yes",
    ],
)
def test_values_of_mail_that_are_not_valid(parameters: bytes) -> None:
    assert refusal(b"MAIL FROM:<> " + parameters) == commands.BAD_PARAMETER


@pytest.mark.parametrize(
    "parameters",
    [
        b"NOTIFY",
        b"NOTIFY=",
        b"NOTIFY=NEVER,SUCCESS",
        b"NOTIFY=SUCCESS,SUCCESS",
        b"NOTIFY=SUCCESS,",
        b"NOTIFY=ALWAYS",
        b"ORCPT=bob@example.org",
        b"ORCPT=rfc822;",
        b"ORCPT=;bob",
        b"ORCPT=rfc822;" + b"x" * 494,
        b"ORCPT=rfc822;e+C3+A9",
        "ORCPT=rfc822;é".encode(),
        rb"ORCPT=utf-8;\x{110000}",
        rb"ORCPT=utf-8;\x{D800}",
        rb"ORCPT=utf-8;\xE9",
        rb"ORCPT=utf-8;\x{e9}",
    ],
)
def test_values_of_rcpt_that_are_not_valid(parameters: bytes) -> None:
    assert refusal(b"RCPT TO:<alice@example.org> " + parameters) == commands.BAD_PARAMETER


@pytest.mark.parametrize("escape", ["+0A", "+0D", "+00", "+7F", "+1B", "x+0D+0A.+0D+0Ay"])
def test_attack_22_an_escaped_control_character(escape: str) -> None:
    for value in (f"AUTH={escape}Evil", f"ENVID={escape}"):
        assert refusal(f"MAIL FROM:<> {value}".encode()) == commands.BAD_PARAMETER
    for value in (f"ORCPT=rfc822;x{escape}Evil", rf"ORCPT=utf-8;\x{{{escape[-2:]}}}" if len(escape) == 3 else ""):
        if value:
            assert refusal(f"RCPT TO:<alice@example.org> {value}".encode()) == commands.BAD_PARAMETER


@given(st.text(max_size=40))
def test_xtext_in_unicode_is_the_same_in_seven_bits(text: str) -> None:
    try:
        decoded = decode_unitext(text)
    except ValueError:
        return
    assert decoded.isprintable()
    assert as_seven_bit(text).isascii()
    assert decode_unitext(as_seven_bit(text)) == decoded
