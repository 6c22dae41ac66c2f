"""BODY and BODYSTRUCTURE as octets: RFC 3501's own examples, and structures that are odd."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mailbox_d.config.limits import Limits
from mailbox_d.imap.fetch.bodystructure import bodystructure
from mailbox_d.mime.scanner import scan
from mailbox_d.mime.structure import MimeLimits, Part

TEXT = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" %d %d)'


def body(*lines: bytes) -> bytes:
    return bodystructure(scan([b"\r\n".join(lines)]), extended=False)


def extended(*lines: bytes) -> bytes:
    return bodystructure(scan([b"\r\n".join(lines)]), extended=True)


def test_the_text_of_rfc_3501_section_7_4_2() -> None:
    text = b"x" * 24 + b"\r\n"
    assert body(b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII", b"", text * 88) == (
        b'("text" "plain" ("charset" "US-ASCII") NIL NIL "7bit" 2288 88)'
    )


def test_the_two_parts_of_rfc_3501_section_7_4_2() -> None:
    told = body(
        b"Content-Type: multipart/mixed; boundary=b",
        b"",
        b"--b",
        b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII",
        b"",
        b"one",
        b"--b",
        b'Content-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME="cc.diff"',
        b"Content-ID: <960723163407.20117h@cac.washington.edu>",
        b"Content-Description: Compiler diff",
        b"Content-Transfer-Encoding: BASE64",
        b"",
        b"eA==",
        b"--b--",
    )
    assert told == (
        b'(("text" "plain" ("charset" "US-ASCII") NIL NIL "7bit" 3 0)'
        b'("text" "plain" ("charset" "US-ASCII" "name" "cc.diff") "<960723163407.20117h@cac.washington.edu>" '
        b'"Compiler diff" "base64" 4 0) "mixed")'
    )


def test_what_only_bodystructure_tells() -> None:
    told = extended(
        b"Content-Type: application/pdf",
        b'Content-Disposition: attachment; filename="a b.pdf"',
        b"Content-Language: de, en",
        b"Content-Location: http://x/",
        b"Content-MD5: abc==",
        b"",
        b"",
    )
    assert told == (
        b'("application" "pdf" NIL NIL NIL "7bit" 0 "abc==" ("attachment" ("filename" "a b.pdf")) ("de" "en") "http://x/")'
    )


def test_a_multipart_tells_its_parameters() -> None:
    told = extended(b"Content-Type: multipart/mixed; boundary=b", b"", b"--b", b"", b"x", b"--b--")
    assert told == (
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) '
        b'"mixed" ("boundary" "b") NIL NIL NIL)'
    )


def test_a_message_in_a_message_has_an_envelope() -> None:
    told = body(b"Content-Type: message/rfc822", b"", b"Subject: inner", b"", b"text", b"")
    inner = b'(NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL)'
    assert told == b'("message" "rfc822" NIL NIL NIL "7bit" 24 %b %b 3)' % (inner, TEXT % (6, 1))


def test_a_multipart_without_parts_is_told_with_an_empty_one() -> None:
    part = Part(0, 0, 0, 0, b"multipart", b"mixed")
    assert bodystructure(part, extended=False) == b'(%b "mixed")' % (TEXT % (0, 0))


def test_a_message_that_was_not_read_is_opaque() -> None:
    part = Part(0, 0, 9, 1, b"message", b"rfc822")
    assert bodystructure(part, extended=False) == b'("application" "octet-stream" NIL NIL NIL "7bit" 9)'


def test_attack_67_a_file_name_cannot_split_a_response() -> None:
    told = extended(b'Content-Type: a/b; name="x\\") BYE"', b"", b"")
    assert b'("name" "x\\") BYE")' in told


def test_attack_97_depth_has_a_bound() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1000))
    nested = b"Content-Type: message/rfc822\r\n\r\n" * 1000
    for message in (deep, nested):
        told = bodystructure(scan([message]), extended=True)
        assert told.count(b"(") == told.count(b")")
        assert b"octet-stream" in told


@pytest.mark.parametrize(
    "message",
    [
        b"Content-Type: message/rfc822\r\n\r\n" * 1000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1000)),
    ],
)
def test_attack_97_the_greatest_depth_that_can_be_configured_is_told(message: bytes) -> None:
    greatest = 200
    assert Limits(mime_depth=greatest)
    with pytest.raises(ValidationError):
        Limits(mime_depth=greatest + 1)
    told = bodystructure(scan([message], MimeLimits(depth=greatest)), extended=True)
    assert told.count(b'"octet-stream"') == 1
