from __future__ import annotations

import base64
import quopri
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.errors import UnknownEncoding
from mailbox_d.mime import decode
from mailbox_d.mime.decode import decoded, decoded_text
from mailbox_d.mime.structure import Part


def part_of(body: bytes, encoding: bytes, charset: bytes = b"utf-8") -> Part:
    return Part(0, 0, len(body), 0, encoding=encoding, parameters=((b"charset", charset),))


def reading(body: bytes, most: int = 1 << 20) -> Callable[[int, int], bytes]:
    return lambda offset, length: body[offset : offset + min(length, most)]


def content(body: bytes, encoding: bytes, most: int = 1 << 20) -> bytes:
    return b"".join(decoded(part_of(body, encoding), reading(body, most)))


@given(st.binary(max_size=300), st.integers(1, 50))
def test_base64_comes_back_however_it_is_read(octets: bytes, most: int) -> None:
    assert content(base64.encodebytes(octets).replace(b"\n", b"\r\n"), b"base64", most) == octets


@given(st.binary(max_size=300), st.integers(1, 50))
def test_quoted_printable_comes_back_however_it_is_read(octets: bytes, most: int) -> None:
    assert content(quopri.encodestring(octets, quotetabs=True), b"quoted-printable", most) == octets


@pytest.mark.parametrize("most", [1, 1000])
@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        (b"base64", b"Y*W J!j\r\n", b"abc"),
        (b"base64", b"YQ==YWJj", b"aabc"),
        (b"base64", b"YWJ", b"ab"),
        (b"base64", b"YWJjY", b"abc"),
        (b"base64", b"====", b""),
        (b"base64", b"", b""),
        (b"quoted-printable", b"a=3d=3D=\r\nb", b"a==b"),
        (b"quoted-printable", b"a=zz=4", b"a=zz=4"),
        (b"quoted-printable", b"a \t\r\nb= \r\nc\r\n", b"a\r\nbc\r\n"),
        (b"7bit", b"a=3D\r\n", b"a=3D\r\n"),
        (b"binary", b"\x00\xff", b"\x00\xff"),
    ],
)
def test_lenient_decoding(encoding: bytes, body: bytes, expected: bytes, most: int) -> None:
    assert content(body, encoding, most) == expected


def test_a_line_longer_than_is_waited_for_is_not_torn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "OCTETS_A_READ", 10)
    assert content(b"ab=3D=3d" * 100, b"quoted-printable") == b"ab==" * 100


def test_unknown_encoding_is_told_before_anything_is_read() -> None:
    with pytest.raises(UnknownEncoding):
        decoded(part_of(b"x", b"x-uuencode"), reading(b"x"))


def test_a_message_that_has_become_shorter_ends() -> None:
    assert b"".join(decoded(part_of(b"x" * 10, b"7bit"), reading(b"x" * 4))) == b"xxxx"


@pytest.mark.parametrize(
    ("charset", "body", "expected"),
    [
        (b"utf-8", "caf\u00e9".encode(), "caf\u00e9"),
        (b"ISO-8859-1", b"caf\xe9", "caf\u00e9"),
        (b"windows-1252", b"\x80", "\u20ac"),
        (b"us-ascii", "caf\u00e9".encode(), "caf\u00e9"),
        (b"iso-2022-jp", b'\x1b$B$"\x1b(B', "\u3042"),
        (b"utf-8", b"a\xffb", "a\ufffdb"),
    ],
)
def test_text_in_its_charset(charset: bytes, body: bytes, expected: str) -> None:
    assert "".join(decoded_text(part_of(body, b"8bit", charset), reading(body, 1))) == expected


@pytest.mark.parametrize(
    "charset",
    [b"zlib", b"rot13", b"unicode_escape", b"punycode", b"idna", b"hex", b"undefined", b"no-such", b"", b"x" * 5000],
)
def test_attack_101_what_is_no_charset_is_not_decoded_with(charset: bytes) -> None:
    body = b"\\u0041 xn--a 4142"
    assert "".join(decoded_text(part_of(body, b"7bit", charset), reading(body))) == body.decode()


def test_text_of_an_unknown_encoding_is_what_is_written() -> None:
    assert "".join(decoded_text(part_of(b"abc", b"x-odd"), reading(b"abc"))) == "abc"


@pytest.mark.parametrize(
    ("charset", "body", "expected"),
    [
        (b"utf-16", "hello".encode("utf-16-be"), "hello"),
        (b"utf-16", "hello".encode("utf-16"), "hello"),
        (b"utf-32", "hello".encode("utf-32-be"), "hello"),
    ],
)
def test_text_without_a_byte_order_mark(charset: bytes, body: bytes, expected: str) -> None:
    assert "".join(decoded_text(part_of(body, b"8bit", charset), reading(body))) == expected


@given(
    st.sampled_from([b"utf-16", b"utf-32", b"utf-7", b"iso-2022-jp", b"iso-2022-kr", b"gb18030", b"big5"]),
    st.binary(max_size=60),
    st.integers(1, 20),
)
def test_attack_101_octets_that_a_charset_does_not_know_are_text_all_the_same(
    charset: bytes, body: bytes, most: int
) -> None:
    assert isinstance("".join(decoded_text(part_of(body, b"8bit", charset), reading(body, most))), str)
