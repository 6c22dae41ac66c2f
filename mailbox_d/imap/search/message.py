"""What SEARCH looks at in a message: the fields of its header, the day on which it was sent, its texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date

from mailbox_d.imap.python_work import PYTHON_WORK
from mailbox_d.mime.decode import decoded_text
from mailbox_d.mime.encoded_words import decoded_words
from mailbox_d.mime.structure import Part
from mailbox_d.store.ports import WireReader
from mailbox_d.wire.imap.dates import MONTHS

_SENT = re.compile(rb"(?>\A|[ \t,])([0-9]{1,2})[ \t]++(?>-?)([A-Za-z]{3})[a-z]*+[ \t]++([0-9]{2,4})(?![0-9])")
_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
_LONGEST_DATE = 200


def fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields of a header: names in lower case, values unfolded. Lines that are no field are passed over."""
    name, pieces = b"", [b""]
    for line in header.split(b"\n"):
        line = line.removesuffix(b"\r")
        if line[:1] in (b" ", b"\t"):
            pieces.append(line)
            continue
        if name:
            yield name, b"".join(pieces).strip()
        written, colon, value = line.partition(b":")
        name, pieces = written.rstrip().lower() if colon else b"", [value]
    if name:
        yield name, b"".join(pieces).strip()


def sent_day(value: bytes) -> date | None:
    """The day that a Date field tells, in its own zone (RFC 3501 section 6.4.4); None where it tells none."""
    match = _SENT.search(value[:_LONGEST_DATE])
    month = _MONTH_NUMBERS.get(match[2].decode("ascii").lower()) if match else None
    if match is None or month is None:
        return None
    try:
        return date(_full_year(match[3]), month, int(match[1]))
    except ValueError:
        return None


def sent_on(values: Iterable[bytes]) -> date | None:
    """The day that the first of these Date fields tells that tells one."""
    return next((day for value in values if (day := sent_day(value)) is not None), None)


def _full_year(digits: bytes) -> int:
    """RFC 5322 section 4.3."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def texts_of(message: Part, reader: WireReader, most_of_a_header: int) -> Iterator[Iterator[str]]:
    """What can be read in a message's body: its parts' headers and texts, each in pieces, decoded."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        inner = part.message
        if part is not message:
            header = reader.read(part.header_start, min(part.body_start - part.header_start, most_of_a_header))
            yield iter((header_text(header),))
        if part.is_multipart:
            waiting.extend(reversed(part.children))
        elif inner is not None:
            waiting.append(inner)
        elif part.type in (b"text", b"message"):
            yield decoded_text(part, reader.read)


def header_text(header: bytes) -> str:
    """All fields as one text; NUL, which no key can hold, keeps what is looked for from lying across two of them."""
    with PYTHON_WORK:
        return "\0".join([text_of(*field) for field in fields(header)])


def text_of(name: bytes, value: bytes) -> str:
    """A field as a text of its own: its name, a colon, and its value, decoded."""
    return f"{name.decode('ascii', 'replace')}: {decoded_words(value)}"
