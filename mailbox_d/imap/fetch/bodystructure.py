"""BODY and BODYSTRUCTURE: a message's parts as octets (RFC 3501 section 7.4.2).

The scanner bounds how deep parts lie in parts, so what is here may follow them down.
"""

from __future__ import annotations

from mailbox_d.imap.fetch.envelope import envelope, text
from mailbox_d.mime.structure import Disposition, Parameters, Part

_EMPTY_PART = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)'
_OPAQUE = (b"application", b"octet-stream")


def bodystructure(part: Part, *, extended: bool) -> bytes:
    """A part with all that it holds; `extended` is what BODYSTRUCTURE tells and BODY does not."""
    if part.is_multipart:
        return _multipart(part, extended=extended)
    type_, subtype = (part.type, part.subtype)
    words: list[bytes] = []
    if type_ == b"text":
        words = [b"%d" % part.lines]
    elif part.message is not None:
        within = bodystructure(part.message, extended=extended)
        words = [envelope(part.message.envelope), within, b"%d" % part.lines]
    elif (type_, subtype) == (b"message", b"rfc822"):
        type_, subtype = _OPAQUE
    if extended:
        words += [text(part.md5), *_extension(part)]
    return b"(%b)" % b" ".join([*_basic(part, type_, subtype), *words])


def _multipart(part: Part, *, extended: bool) -> bytes:
    children = b"".join(bodystructure(child, extended=extended) for child in part.children)
    words = [children or _EMPTY_PART, text(part.subtype)]
    if extended:
        words += [_parameters(part.parameters), *_extension(part)]
    return b"(%b)" % b" ".join(words)


def _basic(part: Part, type_: bytes, subtype: bytes) -> tuple[bytes, ...]:
    """RFC 3501 `body-fields`, with the type in front."""
    return (
        text(type_),
        text(subtype),
        _parameters(part.parameters),
        text(part.id),
        text(part.description),
        text(part.encoding),
        b"%d" % part.size,
    )


def _extension(part: Part) -> tuple[bytes, bytes, bytes]:
    return _disposition(part.disposition), _language(part.language), text(part.location)


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return b"NIL"
    return b"(%b)" % b" ".join(text(word) for pair in parameters for word in pair)


def _disposition(disposition: Disposition | None) -> bytes:
    if disposition is None:
        return b"NIL"
    return b"(%b %b)" % (text(disposition.type), _parameters(disposition.parameters))


def _language(tags: tuple[bytes, ...]) -> bytes:
    if len(tags) < 2:
        return text(tags[0]) if tags else b"NIL"
    return b"(%b)" % b" ".join(map(text, tags))
