"""A part whose end has not been seen yet."""

from __future__ import annotations

from mailbox_d.mime.envelope import ENVELOPE_FIELDS, envelope
from mailbox_d.mime.fields import split_fields
from mailbox_d.mime.parameters import PLAIN_TEXT, ContentType, content_type, disposition, languages, token
from mailbox_d.mime.structure import MimeLimits, Part

_PART_FIELDS = {
    b"content-type": "content_type",
    b"content-transfer-encoding": "encoding",
    b"content-id": "id",
    b"content-description": "description",
    b"content-md5": "md5",
    b"content-disposition": "disposition",
    b"content-language": "language",
    b"content-location": "location",
}
_MESSAGE_FIELDS = _PART_FIELDS | ENVELOPE_FIELDS
_IDENTITY = (b"7bit", b"8bit", b"binary")
_EMBEDDED = ContentType(b"message", b"rfc822", ())


class OpenPart:
    """What is known of a part so far: its header's values once that has ended, and the children that have ended."""

    __slots__ = (
        "_children",
        "_encoding",
        "_is_message",
        "_limits",
        "_message",
        "_type",
        "_values",
        "body_start",
        "boundary",
        "header_start",
        "in_header",
        "lines",
    )

    def __init__(self, header_start: int, limits: MimeLimits, *, is_message: bool) -> None:
        """`header_start`: where in the message; `is_message`: whether this is a message and not a mere part."""
        self.header_start = header_start
        self.in_header = True
        self.body_start = header_start
        self.lines = 0
        """Line ends of the message before the body."""
        self.boundary = b""
        """Of a multipart, while delimiters with it are looked for."""
        self._limits = limits
        self._is_message = is_message
        self._type = PLAIN_TEXT
        self._encoding = b"7bit"
        self._values: dict[str, bytes] = {}
        self._children: list[Part] = []
        self._message: Part | None = None

    def end_header(self, header: bytes, body_start: int, lines: int, *, digest: bool) -> None:
        """Take the header; `digest`: whether the part is one of a multipart/digest (RFC 2046 section 5.1.5)."""
        self.in_header = False
        self.body_start = body_start
        self.lines = lines
        values = self._values = split_fields(header, _MESSAGE_FIELDS if self._is_message else _PART_FIELDS)
        self._encoding = (token(values["encoding"]) if "encoding" in values else b"") or b"7bit"
        written = values.get("content_type")
        if written is not None:
            self._type = content_type(written, self._limits.parameters)
        elif digest:
            self._type = _EMBEDDED
        if self._type.type == b"multipart":
            boundary = dict(self._type.parameters).get(b"boundary", b"").rstrip(b" \t")
            if 0 < len(boundary) <= self._limits.boundary:
                self.boundary = boundary
            else:
                self._type = PLAIN_TEXT
        elif self._type[:2] == _EMBEDDED[:2] and self._encoding not in _IDENTITY:
            self.close_to_view()

    @property
    def embeds_message(self) -> bool:
        return self._type.type == b"message" and self._type.subtype == b"rfc822"

    @property
    def is_digest(self) -> bool:
        return self._type.type == b"multipart" and self._type.subtype == b"digest"

    def close_to_view(self) -> None:
        """Do not look into the body: it is octets."""
        self._type = ContentType(b"application", b"octet-stream", self._type.parameters)
        self.boundary = b""

    def take(self, part: Part) -> None:
        """A part within this one has ended."""
        if self.embeds_message:
            self._message = part
        else:
            self._children.append(part)

    def end(self, body_end: int, lines: int) -> Part:
        """The part as a value; `lines`: line ends of the message before its end."""
        get = self._values.get
        most = self._limits.parameters
        body_end = max(body_end, self.body_start)
        if self._type.type == b"multipart" and not self._children:
            self._children.append(Part(body_end, body_end, body_end, 0, *PLAIN_TEXT))
        return Part(
            self.header_start,
            self.body_start,
            body_end,
            lines - self.lines,
            *self._type,
            get("id"),
            get("description"),
            self._encoding,
            get("md5"),
            disposition(self._values["disposition"], most) if "disposition" in self._values else None,
            languages(get("language", b""), most) if "language" in self._values else (),
            get("location"),
            tuple(self._children),
            self._message,
            envelope(self._values, self._limits.addresses) if self._is_message else None,
        )
