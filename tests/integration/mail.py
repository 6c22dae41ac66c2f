"""Real-looking mail, as octets on the wire: what mail programs send, and what servers are tempted to change."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

DATE = "Fri, 20 Nov 2026 10:00:00 +0000"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message with CRLF line ends. `eight_bit` and `utf8_header` say what the envelope must declare."""

    name: str
    octets: bytes
    eight_bit: bool = False
    utf8_header: bool = False

    def __str__(self) -> str:
        return self.name


def header(subject: str, *fields: str) -> str:
    """The header that every message here has, with these fields behind it, and the empty line."""
    start = [
        "From: Alice Smith <alice@example.org>",
        "To: Bob <bob@example.net>",
        f"Subject: {subject}",
        f"Date: {DATE}",
        f"Message-ID: <{hashlib.sha256(subject.encode()).hexdigest()[:16]}@client.example.org>",
    ]
    return "\r\n".join([*start, *fields]) + "\r\n\r\n"


def octets_of(size: int, seed: str) -> bytes:
    """Octets that look random and are the same in every run."""
    return hashlib.shake_128(seed.encode()).digest(size)


def in_base64(data: bytes) -> str:
    """Base64 in lines of 76 (RFC 2045 section 6.8), CRLF line ends."""
    return base64.encodebytes(data).decode().replace("\n", "\r\n")


def multipart(subtype: str, boundary: str, *parts: str) -> tuple[str, str]:
    """The Content-Type of a multipart, and its body of these parts (each header and body)."""
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"', f"{body}--{boundary}--\r\n"


def plain() -> Mail:
    text = "Hello Bob,\r\n\r\n.a line that starts with a dot\r\n..two\r\n.\r\n\r\nFrom here on, no more.\r\n"
    return Mail("plain", (header("Plain text", "Content-Type: text/plain") + text).encode())


def relayed() -> Mail:
    """A message that already bears other servers' trace fields."""
    trace = (
        "Return-Path: <list-bounces@lists.example.com>\r\n"
        "Received: from mx.example.com (mx.example.com [192.0.2.1])\r\n\tby relay.example.com with ESMTPS id 4711;\r\n"
        f"\t{DATE}\r\nDelivered-To: somebody@example.com\r\n"
    )
    return Mail("relayed", (trace + header("Seen elsewhere") + "Body\r\n").encode())


def html() -> Mail:
    kind, body = multipart(
        "alternative",
        "=_alternative_1",
        "Content-Type: text/plain; charset=us-ascii\r\n\r\nHello\r\n",
        "Content-Type: text/html; charset=us-ascii\r\n\r\n<html><body><p>" + "Hello " * 150 + "</p></body></html>\r\n",
    )
    return Mail("html", (header("HTML", "MIME-Version: 1.0", kind) + body).encode())


def attachments() -> Mail:
    kind, body = multipart(
        "mixed",
        "----=_NextPart_000_0001",
        "Content-Type: text/plain\r\n\r\nTwo files.\r\n",
        'Content-Type: application/pdf; name="report.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        'Content-Disposition: attachment; filename="report.pdf"\r\n\r\n' + in_base64(octets_of(70_000, "pdf")),
        "Content-Type: text/csv; charset=us-ascii\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        "Content-Disposition: attachment;\r\n filename*0=\"a long \";\r\n filename*1*=utf-8''na%C3%AFve.csv\r\n\r\n"
        "a,b=20\r\n1,2=\r\n,3\r\n",
    )
    return Mail("attachments", (header("Attachments", "MIME-Version: 1.0", kind) + body).encode())


def nested() -> Mail:
    kind, body = multipart(
        "mixed",
        "outer",
        "Content-Type: text/plain\r\n\r\nForwarded:\r\n",
        "Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n" + html().octets.decode(),
        "Content-Type: message/rfc822\r\n\r\n" + relayed().octets.decode(),
    )
    return Mail("nested", (header("Fwd: HTML", "MIME-Version: 1.0", kind) + body).encode())


def eight_bit() -> Mail:
    fields = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: 8bit")
    text = "Gr\xfc\xdfe aus K\xf6ln\r\n".encode("latin-1") + bytes(range(0x80, 0x100)) + b"\r\n"
    return Mail("eight_bit", header("8bit", *fields).encode() + text, eight_bit=True)


def utf8_header() -> Mail:
    fields = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit")
    octets = (header("Grüße, 日本語, emoji 🎉", *fields) + "Жизнь прекрасна\r\n").encode()
    return Mail("utf8_header", octets, eight_bit=True, utf8_header=True)


def long_lines() -> Mail:
    """Lines as long as RFC 5321 section 4.5.3.1.6 lets them be: 998 octets and CRLF."""
    text = "".join(letter * 998 + "\r\n" for letter in "abcdef")
    return Mail("long_lines", (header("Long lines", "References: " + " ".join(["<x@y>"] * 100)) + text).encode())


def ten_megabytes() -> Mail:
    kind, body = multipart(
        "mixed",
        "big",
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + in_base64(octets_of(7_400_000, "big")),
    )
    return Mail("ten_megabytes", (header("10 MB", "MIME-Version: 1.0", kind) + body).encode())


def all_mail() -> Iterator[Mail]:
    """Every kind, the small ones first."""
    yield from (plain(), relayed(), html(), attachments(), nested(), eight_bit(), utf8_header(), long_lines())
    yield ten_megabytes()


ALL_MAIL = tuple(all_mail())
SMALL_MAIL = ALL_MAIL[:-1]
"""All kinds but the large one."""
SEVEN_BIT_MAIL = tuple(mail for mail in ALL_MAIL if not mail.eight_bit)
EIGHT_BIT_MAIL = tuple(mail for mail in ALL_MAIL if not mail.utf8_header)
