"""A message's file in the queue: a line that says what is in it, the envelope as JSON, the message as on the wire.

    mailboxd-queue 1 envelope=00000231:9f3c0a55 message=000000002140:51d2c01e header=00000522 octets>127=01 :1c0ff3e1
    {"identifier": "5F21C0A9B3D4", "sender": "alice@example.org", …}
    Received: …

Lengths are octets; behind each is its CRC-32, and the line ends with its own, so that a file that a disk or a hand has
spoilt is never sent. `octets>127` says whether there are any in the header, and in the body. The line is as long in all
files, since it is written last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from mailbox_d.address import EmailAddress, canonical_domain
from mailbox_d.errors import AddressError
from mailbox_d.queue.message import USUAL_NOTIFY, Envelope, Notify, Queued, Recipient, Return, Source
from mailbox_d.queue.stored_values import seconds, text
from mailbox_d.wire.smtp.commands import Body

ENVELOPE_OCTETS_MAX = 64 * 1024 * 1024
RECIPIENTS_MAX = 250_000
"""More than the largest envelope that the configuration allows has: 100,000 recipients, of 670 octets each."""

_FRONT_OCTETS_MAX = 64 * 1024
_RECIPIENT_OCTETS_MAX = 8 * 1024
"""Of an envelope's line without its recipients, and of one of these: each is read by itself, so that a file which
somebody else has made holds nothing up, and takes no more memory than one of ours."""

_RECIPIENTS = '"recipients": ['
"""It stands in no text, where a backslash is before each quotation mark."""

_DECODER = json.JSONDecoder()

_TOP = re.compile(
    rb"mailboxd-queue 1 envelope=(\d{8}):([0-9a-f]{8}) message=(\d{12}):([0-9a-f]{8}) header=(\d{8})"
    rb" octets>127=([01])([01]) :([0-9a-f]{8})\n"
)
TOP_OCTETS = 114
"""Of the first line, with its end."""

_QUOTED_PAIR = re.compile(r"\\(.)")


class DamagedMessage(Exception):
    """A file that is none of the queue's, or not what was written."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the first line says of the message: its octets, their CRC-32, those up to the header's end, and whether
    octets above 127 stand in the header, and in the body."""

    octets: int
    checksum: int
    header_octets: int
    has_utf8_header: bool = False
    is_eight_bit: bool = False


@dataclass(frozen=True, slots=True)
class Top:
    """What stands in front of a message, the envelope not read yet, and where the message begins."""

    envelope: bytes
    content: Content
    offset: int

    def is_of(self, identifier: str) -> bool:
        """Whether the message is called so."""
        return self.envelope.startswith(b'{"identifier": "%b"' % identifier.encode("ascii"))


def first_line(envelope: bytes, content: Content) -> bytes:
    """The line in front of an envelope, for a message that is as it says."""
    said = b"mailboxd-queue 1 envelope=%08d:%08x message=%012d:%08x header=%08d octets>127=%d%d " % (
        len(envelope),
        crc32(envelope),
        content.octets,
        content.checksum,
        min(content.header_octets, 99_999_999),
        content.has_utf8_header,
        content.is_eight_bit,
    )
    return b"%b:%08x\n" % (said, crc32(said))


def envelope_line(message: Queued) -> bytes:
    """All that is known of a message before its octets come, as a line of JSON."""
    envelope = message.envelope
    said: dict[str, Any] = {
        "identifier": message.identifier,
        "arrived": message.arrived,
        "source": message.source.value,
        "user": message.user,
        "sender": None if envelope.sender is None else str(envelope.sender),
        "envid": envelope.envelope_id,
        "ret": None if envelope.returns is None else envelope.returns.value,
        "body": envelope.body.value,
        "smtputf8": envelope.smtputf8,
        "requiretls": envelope.require_tls,
        "recipients": [_recipient_said(recipient) for recipient in envelope.recipients],
    }
    told = {key: value for key, value in said.items() if value is not None and value is not False and value != ""}
    return json.dumps(told).encode("ascii") + b"\n"


def octets_before(beginning: bytes) -> int:
    """How many octets of a file stand before its message. Raises `DamagedMessage`."""
    return TOP_OCTETS + _parts(beginning)[0]


def read_top(octets: bytes, file_octets: int) -> Top | None:
    """What the beginning of a file of this size says; None where more of the file is needed. Raises
    `DamagedMessage`."""
    length, checksum, content = _parts(octets)
    offset = TOP_OCTETS + length
    if length > ENVELOPE_OCTETS_MAX:
        raise DamagedMessage(f"the envelope has {length} octets")
    if file_octets != offset + content.octets:
        raise DamagedMessage(f"the file has {file_octets} octets and not {offset + content.octets}")
    if len(octets) < offset:
        return None
    line = octets[TOP_OCTETS:offset]
    if crc32(line) != checksum:
        raise DamagedMessage("the envelope is not what was written")
    return Top(line, content, offset)


def read_message(top: Top, identifier: str) -> Queued:
    """The message of that name, which the envelope is of. Raises `DamagedMessage`."""
    try:
        message = _message(top.envelope.decode("ascii"), top.content.octets)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedMessage(f"the envelope says nothing: {type(error).__name__}") from error
    if message.identifier != identifier:
        raise DamagedMessage("it is another message")
    return message


def read_address(written: str) -> EmailAddress:
    """An address as `str` writes it. Raises `ValueError`."""
    local_part, at, domain = written.rpartition("@")
    if not at or not local_part or not _is_domain(domain):
        raise ValueError("no address")
    text(local_part)
    if local_part[0] == '"' and len(local_part) > 1:
        local_part = _QUOTED_PAIR.sub(r"\1", local_part[1:-1])
    return EmailAddress(local_part, domain)


def _is_domain(written: str) -> bool:
    """Whether it is as `EmailAddress` has it: another one would be looked for in vain."""
    try:
        return written.isascii() and canonical_domain(written) == written
    except AddressError:
        return False


def _parts(top: bytes) -> tuple[int, int, Content]:
    found = _TOP.match(top)
    if found is None:
        raise DamagedMessage("the file is none of the queue's")
    if crc32(top[: found.start(8) - 1]) != int(found[8], 16):
        raise DamagedMessage("the first line is not what was written")
    content = Content(int(found[3]), int(found[4], 16), int(found[5]), found[6] == b"1", found[7] == b"1")
    return int(found[1]), int(found[2], 16), content


def _recipient_said(recipient: Recipient) -> dict[str, str]:
    said = {"to": str(recipient.address)}
    if recipient.said_notify or recipient.notify != USUAL_NOTIFY:
        said["notify"] = ",".join(flag.name or "" for flag in Notify if flag in recipient.notify) or "NEVER"
        if not recipient.said_notify:
            said["notify"] += " unsaid"
    if recipient.original:
        said["orcpt"] = recipient.original
    return said


def _message(line: str, octets: int) -> Queued:
    front, _, recipients = line.partition(_RECIPIENTS)
    if not recipients or len(front) > _FRONT_OCTETS_MAX:
        raise ValueError("no envelope")
    said = json.loads(front + '"recipients": null}')
    sender, returns = said.get("sender"), said.get("ret")
    envelope = Envelope(
        None if sender is None else read_address(sender),
        tuple(_each_recipient(recipients)),
        text(said.get("envid", "")),
        None if returns is None else Return(returns),
        Body(said["body"]),
        bool(said.get("smtputf8", False)),
        bool(said.get("requiretls", False)),
    )
    source, arrived = Source(said["source"]), seconds(said["arrived"])
    return Queued(text(said["identifier"]), envelope, source, arrived, octets, text(said.get("user", "")))


def _each_recipient(written: str) -> Iterator[Recipient]:
    """One or more, and the envelope's end behind them. Raises `ValueError` and others."""
    start = 0
    for _ in range(RECIPIENTS_MAX):
        said, length = _DECODER.raw_decode(written[start : start + _RECIPIENT_OCTETS_MAX])
        yield _recipient(said)
        start += length + len(", ")
        if not written.startswith(", ", start - len(", ")):
            break
    if written[start - len(", ") :].rstrip("\n") != "]}":
        raise ValueError("no end of an envelope")


def _recipient(said: dict[str, str]) -> Recipient:
    words, notify = said.get("notify", "").split(), USUAL_NOTIFY
    if words:
        notify = Notify.NEVER
        for name in words[0].split(","):
            notify |= Notify[name]
    return Recipient(read_address(said["to"]), notify, len(words) == 1, text(said.get("orcpt", "")))
