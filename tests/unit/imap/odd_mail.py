"""Messages in many scripts, charsets and forms, for searching."""

# ruff: noqa: RUF001

from __future__ import annotations

import base64
import quopri
from collections.abc import Iterator

TEXTS = (
    "The quick brown fox; 100% of 'it' \"quoted\" \\ back.*[slash] %s %d _ SELECT * FROM x; -- (a|b)?",
    "Съешь же ещё этих мягких французских булок, ДА ВЫПЕЙ чаю",
    "Σίσυφος ΟΔΥΣΣΕΥΣ ᾳ ᾼ Ὀδυσσεύς",
    "Straße STRASSE groß Größe GRÖSSE",
    "İstanbul ıssız IĞDIR iğne",
    "مرحبا بالعالم \u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f ﷺ \u202bRTL\u202c",
    "שָׁלוֹם עולם \u200fABC\u200e",
    "漢字かな交じり文 ガギグ カ\u3099 ｶﾞ 한국어 각 각",
    "ภาษาไทย กำลัง น้ำ",
    "Ti\u1ebfng Vi\u1ec7t Tie\u0302\u0301ng Vie\u0323\u0302t ti\u00ea\u0301ng",
    "👨\u200d👩\u200d👧 ✌🏽 e\u0301\u0323 \U0001d4d7 Ａｂｃ１２３ ﬃ ﬁ ½ ² Ⅷ",
    "a" + "\u0301\u0323" * 50 + "b",
    "",
)
CHARSETS = (
    *("utf-8", "koi8-r", "shift_jis", "gb18030", "iso-2022-jp", "windows-1251", "windows-1252", "windows-1255"),
    *("windows-1258", "utf-16", "utf-7", "iso-8859-7", "iso-8859-9", "tis-620", "euc-kr", "big5", "nonsense"),
)
TRANSFER = ("7bit", "8bit", "base64", "quoted-printable", "x-unknown")


def encoded(text: str, charset: str) -> bytes:
    return text.encode("utf-8" if charset == "nonsense" else charset, "replace")


def word(text: str, charset: str) -> str:
    """Encoded words that are cut wherever it suits, within characters too."""
    octets = encoded(text, charset)
    pieces = [octets[start : start + 11] for start in range(0, len(octets), 11)]
    words = (f"=?{charset}?b?{base64.b64encode(piece).decode()}?=" for piece in pieces)
    return "\r\n ".join(words)


def body(text: str, charset: str, transfer: str) -> bytes:
    octets = encoded(text, charset)
    if transfer == "base64":
        return b"\r\n".join(base64.b64encode(octets)[at : at + 13] for at in range(0, len(octets) * 2, 13))
    if transfer == "quoted-printable":
        plain = quopri.encodestring(octets).replace(b"=\n", b"").replace(b"\n", b"\r\n")
        return b"=\r\n".join(plain[at : at + 7] for at in range(0, len(plain), 7))
    return octets


def simple(number: int, charset: str, transfer: str) -> bytes:
    """A message of two texts; the header says one of them raw, and one in words."""
    text, other = TEXTS[number % len(TEXTS)], TEXTS[(number + 1) % len(TEXTS)]
    day = 1 + number % 28
    return b"\r\n".join(
        (
            b"From: " + word(other, charset).encode() + b" <sender%d@example.org>" % number,
            b"To: bob@example.org,\r\n\tann@example.org",
            b"Subject: " + (word(text, charset).encode() if number % 2 else text.encode()),
            b"Date: %d Feb 20%02d 23:59:00 -0800" % (day, number % 100) if number % 5 else b"Date: whenever",
            b"X-Odd\0name: " + encoded(text, charset)[:40].replace(b"\r", b"").replace(b"\n", b""),
            b"X\xc3\x84: name in eight bits",
            b"Content-Type: text/plain; charset=" + charset.encode(),
            b"Content-Transfer-Encoding: " + transfer.encode(),
            b"",
            body(text + "\r\n" + other + " tail", charset, transfer),
        )
    )


def nested(number: int) -> bytes:
    first, second = simple(number, "utf-8", "base64"), simple(number + 3, "koi8-r", "quoted-printable")
    parts = (
        first[first.index(b"Content-Type") :],
        b'Content-Type: text/html; charset=utf-8\r\n\r\n<p class="x">' + TEXTS[number % len(TEXTS)].encode() + b"</p>",
        b"Content-Type: message/rfc822\r\n\r\n" + second,
        b'Content-Type: application/octet-stream; name="attachment.bin"\r\n\r\nhidden octets',
        b"Content-Type: message/delivery-status\r\n\r\nStatus: 5.1.1",
    )
    separated = b"".join(b"\r\n--cut\r\n" + part for part in parts)
    header = (
        b"Subject: nested %d\r\nBcc: secret@example.org\r\nContent-Type: multipart/mixed; boundary=cut\r\n" % number
    )
    return header + b"Subject: and again \xff\xfe\r\n\r\npreamble" + separated + b"\r\n--cut--\r\n"


def strange() -> Iterator[bytes]:
    yield b""
    yield b"\r\n"
    yield b"no header at all"
    yield b"Subject:\r\n\r\n"
    yield b"Subject: \0subject: forged\r\nX-A: b\0subject: forged too\r\nX-A: b: c\r\n\r\nzero\0subject: body"
    yield b"Subject: \xff\xfesubject: forged\xff\r\n\r\n\xffbody\xfetext: x"
    yield b": no name\r\nSubject : blank before the colon\r\nSUBJECT: second\r\n\r\n"
    yield b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA- lone surrogate +3AA- +2D3eAA-"
    yield b"Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n2AAA3AAA"
    yield b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + ("e\u0301\u0323" * 15_000 + "end").encode()
    yield b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + ("\u0301\u0323" * 20_000).encode()
    yield b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + ("lang " * 20_000 + "Ende").encode()
    yield b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + b"x" * 65_530 + "Überlauf ﬃ".encode() * 3


def corpus() -> list[bytes]:
    mail = [simple(number, charset, TRANSFER[number % 5]) for number, charset in enumerate(CHARSETS * 4)]
    return [*mail, *map(nested, range(12)), *strange()]
