"""ENVELOPE as octets: RFC 3501's own example, and what messages hold that no example does."""

from __future__ import annotations

from mailbox_d.imap.fetch.envelope import envelope, text
from mailbox_d.mime.scanner import scan

NOBODY = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def rendered(*lines: bytes) -> bytes:
    return envelope(scan([b"\r\n".join((*lines, b"", b""))]).envelope)


def test_the_example_of_rfc_3501_section_8() -> None:
    told = rendered(
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)",
        b"From: Terry Gray <gray@cac.washington.edu>",
        b"Subject: IMAP4rev1 WG mtg summary and minutes",
        b"To: imap@cac.washington.edu",
        b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>",
        b"Message-Id: <B27397-0100000@cac.washington.edu>",
        b"MIME-Version: 1.0",
        b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII",
    )
    terry = b'(("Terry Gray" NIL "gray" "cac.washington.edu"))'
    assert told == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" '
        + b" ".join((terry, terry, terry))
        + b' ((NIL NIL "imap" "cac.washington.edu"))'
        b' ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU"))'
        b' NIL NIL "<B27397-0100000@cac.washington.edu>")'
    )


def test_a_message_without_fields_has_nothing_but_nil() -> None:
    assert envelope(None) == NOBODY
    assert rendered(b"X: y") == NOBODY


def test_a_group_has_a_begin_and_an_end() -> None:
    assert b'((NIL NIL "friends" NIL)(NIL NIL "a" "x.org")(NIL NIL NIL NIL))' in rendered(b"To: friends: a@x.org;")


def test_eight_bit_text_is_a_literal() -> None:
    assert b" {4}\r\n\xc3\xa9\xe9! " in rendered(b"Subject: \xc3\xa9\xe9!")


def test_encoded_words_stay_as_they_are() -> None:
    assert b'"=?utf-8?q?caf=C3=A9?="' in rendered(b"Subject: =?utf-8?q?caf=C3=A9?=")


def test_attack_67_a_subject_cannot_split_a_response() -> None:
    assert b'"a\\") BYE \\\\"' in rendered(b'Subject: a") BYE \\')
    told = rendered(b"Subject: a\r* BYE")
    assert b"{7}\r\na\r* BYE" in told


def test_a_nul_is_left_out() -> None:
    assert text(b"a\0b") == b'"ab"'


def test_what_is_longer_than_a_quoted_string_is_a_literal() -> None:
    assert text(b"x" * 2000) == b"{2000}\r\n" + b"x" * 2000
