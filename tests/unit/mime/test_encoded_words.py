"""Encoded words (RFC 2047), and charsets that are none."""

from __future__ import annotations

import pytest

from mailbox_d.mime.charsets import decoder_of
from mailbox_d.mime.encoded_words import decoded_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
        (b"(=?ISO-8859-1?Q?a?= b)", "(a b)"),
        (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a?=   =?UTF-8?B?Yg==?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
        (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
        (b"=?utf-8*de?q?=C3=BC?=", "ü"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("ü".encode(), "ü"),
        (b"\xfc", "\ufffd"),
        (b"=?utf-8?b?!?=", ""),
        (b"=?utf-8?x?a?= =?", "=?utf-8?x?a?= =?"),
    ],
)
def test_words_are_decoded(value: bytes, text: str) -> None:
    """The first examples are RFC 2047's own (section 8)."""
    assert decoded_words(value) == text


def test_attack_101_many_words_are_linear_work() -> None:
    assert decoded_words(b"=?utf-8?q?a?= " * 100_000) == "a" * 100_000 + " "
    assert decoded_words(b"=?" * 100_000) == "=?" * 100_000
    assert decoded_words(b"=?a?b?" * 100_000) == "=?a?b?" * 100_000


@pytest.mark.parametrize(
    "name",
    [
        b"zlib",
        b"rot13",
        b"unicode_escape",
        b"punycode",
        b"idna",
        b"hex",
        b"undefined",
        b"\xff",
        b"",
        b"x" * 1000,
        b"a\0b",
    ],
)
def test_attack_101_what_is_no_charset_is_utf8(name: bytes) -> None:
    assert decoder_of(name) == "utf-8"


@pytest.mark.parametrize(
    ("name", "codec"),
    [(b"ISO-8859-15", "iso8859-15"), (b"Windows-1252", "cp1252"), (b"GB2312", "gb2312"), (b"big5", "big5")],
)
def test_charsets_by_the_names_that_mail_has_for_them(name: bytes, codec: str) -> None:
    assert decoder_of(name) == codec
