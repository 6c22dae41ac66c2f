"""The signatures of outgoing mail: DKIM (RFC 6376) by RSA and by Ed25519 (RFC 8463), side by side.

The header is signed `relaxed`, the body `simple` (`body_hash` says why). There is no `l=`: what is not signed could be
added to. Each field that matters is named once more than it stands in the header, so that another From or
Subject put in front later breaks the signature.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Final

from mailbox_d.errors import AddressError
from mailbox_d.mime.addresses import parse_mailbox_list
from mailbox_d.queue.message import Queued, Source
from mailbox_d.relay.signing.dkim_keys import KeyFolder, SigningKey

ALWAYS: Final = (
    "From",
    "Subject",
    "Date",
    "To",
    "Cc",
    "Reply-To",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "In-Reply-To",
    "References",
)
"""Fields that nobody may add, also where the message has none."""

WHERE_PRESENT: Final = (
    "Sender",
    "List-Id",
    "List-Help",
    "List-Owner",
    "List-Post",
    "List-Archive",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)
"""Fields that a mailing list may give to a message which has none."""

_LINE_WIDTH: Final = 72
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
_BLANKS: Final = re.compile(rb"[ \t]+")
_UTF8: Final = "surrogateescape"


class Signer:
    """Signs mail of our own users, and our own reports, with the keys of the domain in From."""

    def __init__(self, keys: KeyFolder) -> None:
        self._keys = keys

    def keys(self, message: Queued, header: bytes) -> tuple[SigningKey, ...]:
        """The keys for a message; none where no domain of ours vouches for it. Blocks.

        What was forwarded is not signed: anybody may have written it, whatever its From says.
        """
        domain = "" if message.source is Source.FORWARDED else author_domain(header)
        return self._keys.of_domain(domain) if domain else ()

    def signatures(self, message: Queued, header: bytes, body_hash: bytes, now: float) -> bytes:
        """The fields to put in front of the header; empty where nobody signs. Blocks.

        `header`: with CRLF line ends, with or without the empty line that ends it.
        """
        return sign(header, body_hash, self.keys(message, header), now)


def sign(header: bytes, body_hash: bytes, keys: Sequence[SigningKey], now: float) -> bytes:
    """One DKIM-Signature field for each key. `now`: seconds since 1970."""
    if not keys:
        return b""
    names, canonical = _signed_fields(header)
    return b"".join(_signature(key, names, canonical, body_hash, now) for key in keys)


def author_domain(header: bytes) -> str:
    """The domain of a header's From; empty where there is no From, more than one, or no address in it."""
    found = [value for name, value in _fields(header) if name == b"from"]
    if len(found) != 1:
        return ""
    try:
        addresses = parse_mailbox_list(_FOLD.sub(b"", found[0]).decode("utf-8", _UTF8).strip())
    except AddressError:
        return ""
    return addresses[0].domain if addresses else ""


def relaxed(name: bytes, value: bytes) -> bytes:
    """A field as it is signed, with its CRLF (RFC 6376 section 3.4.2). `name` is in lower case."""
    return name + b":" + _BLANKS.sub(b" ", _FOLD.sub(b"", value)).strip(b" ") + b"\r\n"


def _signed_fields(header: bytes) -> tuple[list[str], bytes]:
    """The names for `h=`, and the fields as they are signed: of several of one name the last one first."""
    stand: dict[bytes, list[bytes]] = {name.lower().encode(): [] for name in (*ALWAYS, *WHERE_PRESENT)}
    for name, value in _fields(header):
        if name in stand:
            stand[name].append(value)
    names: list[str] = []
    canonical: list[bytes] = []
    for written in (*ALWAYS, *WHERE_PRESENT):
        name = written.lower().encode()
        values = stand[name]
        canonical += [relaxed(name, value) for value in reversed(values)]
        if values or written in ALWAYS:
            names += [written] * (len(values) + 1)
    return names, b"".join(canonical)


def _fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names in lower case, and values as they stand; lines that are no field are passed over."""
    for field in re.split(rb"\r\n(?![ \t])", header):
        if not field:
            return
        name, colon, value = field.partition(b":")
        if colon:
            yield name.rstrip(b" \t").lower(), value


def _signature(key: SigningKey, names: Sequence[str], canonical: bytes, body_hash: bytes, now: float) -> bytes:
    tags = (
        "v=1",
        f"a={key.algorithm}",
        "c=relaxed/simple",
        f"d={key.domain}",
        f"s={key.selector}",
        f"t={int(now)}",
        f"h={_folded(names, ':')}",
        f"bh={base64.b64encode(body_hash).decode()}",
    )
    value = " " + ";\r\n\t".join(("; ".join(tags[:3]), "; ".join(tags[3:6]), *tags[6:], "b="))
    signed = key.sign(canonical + relaxed(b"dkim-signature", value.encode())[:-2])
    text = base64.b64encode(signed).decode()
    pieces = [text[place : place + _LINE_WIDTH] for place in range(0, len(text), _LINE_WIDTH)]
    return b"DKIM-Signature:" + value.encode() + "\r\n\t ".join(pieces).encode() + b"\r\n"


def _folded(names: Sequence[str], delimiter: str) -> str:
    """Names with a delimiter between each two, on lines of their own where there are many."""
    lines = [""]
    for place, name in enumerate(names):
        word = name + (delimiter if place < len(names) - 1 else "")
        if lines[-1] and len(lines[-1]) + len(word) > _LINE_WIDTH:
            lines.append("")
        lines[-1] += word
    return "\r\n\t ".join(lines)
