"""Odd messages, and what is made of them: `<case>.eml` as it goes over the wire, `<case>.readme` what is odd about it,
`<case>.expected` its tree. An outcome that is meant to change is written anew by hand, and reviewed as code is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailbox_d.mime.scanner import scan
from mailbox_d.mime.structure import Address, Envelope, Parameters, Part

CASES = Path(__file__).parent / "mime"
SHOWN_OCTETS = 60


def shown(message: bytes, part: Part, numbers: str) -> Iterator[str]:
    """One line per part and per field that it has; `1.2.message` is the message within part 1.2."""
    yield f"{numbers}: {text(part.type)}/{text(part.subtype)}{parameters(part.parameters)}"
    body = message[part.body_start : part.body_end]
    yield f"    header {part.header_start}:{part.body_start}, body to {part.body_end}, lines {part.lines}"
    yield f"    {body if len(body) <= SHOWN_OCTETS else body[:SHOWN_OCTETS] + b'...'!r}"
    if part.encoding != b"7bit":
        yield f"    encoding {text(part.encoding)}"
    if part.disposition:
        yield f"    disposition {text(part.disposition.type)}{parameters(part.disposition.parameters)}"
    for name in ("id", "description", "md5", "language", "location"):
        if getattr(part, name):
            yield f"    {name} {getattr(part, name)!r}"
    if part.envelope:
        yield from (f"    {line}" for line in envelope(part.envelope))
    for number, child in enumerate(part.children, 1):
        yield from shown(message, child, f"{numbers}.{number}".removeprefix("message."))
    if part.message:
        yield from shown(message, part.message, f"{numbers}.message")


def text(octets: bytes) -> str:
    return octets.decode("ascii", "backslashreplace")


def parameters(pairs: Parameters) -> str:
    return "".join(
        f"; {text(name)}={value!r}" if len(value) <= 80 else f"; {text(name)}=<{len(value)}>" for name, value in pairs
    )


def envelope(value: Envelope) -> Iterator[str]:
    for name in ("date", "subject", "in_reply_to", "message_id"):
        if getattr(value, name) is not None:
            yield f"{name} {getattr(value, name)!r}"
    for name in ("from_", "sender", "reply_to", "to", "cc", "bcc"):
        if getattr(value, name):
            yield f"{name} " + ", ".join(map(address, getattr(value, name)))


def address(value: Address) -> str:
    return "(" + " ".join("NIL" if item is None else repr(item)[1:] for item in value) + ")"


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.eml")))
def test_odd_message(case: str) -> None:
    message = (CASES / f"{case}.eml").read_bytes()
    assert "\n".join(shown(message, scan([message]), "message")) + "\n" == (CASES / f"{case}.expected").read_text()


def test_each_case_says_what_is_odd_about_it() -> None:
    assert {path.stem for path in CASES.glob("*.eml")} == {path.stem for path in CASES.glob("*.readme")}
    assert all(path.read_text().strip() for path in CASES.glob("*.readme"))
