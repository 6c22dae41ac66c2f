"""Sections of generated messages: what FETCH sends is what Python's own slicing of the message's making says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.imap.fetch.contents import ContentLimits, Contents, octets_in
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.ports import Target
from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.fetch import parse_fetch_attributes


@dataclass
class Made:
    """A message or a part as it was made."""

    header: bytes
    body: bytes
    children: list[Made] = field(default_factory=list)
    message: Made | None = None

    @property
    def whole(self) -> bytes:
        return self.header + self.body


texts = st.text(alphabet="ab \r\n-é:", max_size=40).map(
    lambda text: text.replace("\r", "").replace("\n", "\r\n").replace("--", "-").encode()
)


@st.composite
def leaves(draw: st.DrawFn) -> Made:
    fields = draw(st.sampled_from([b"", b"Content-Type: text/plain\r\n", b"X-A: b\r\n c\r\nSubject: s\r\n"]))
    return Made(fields + b"\r\n", draw(texts))


@st.composite
def multiparts(draw: st.DrawFn, children: st.SearchStrategy[Made]) -> Made:
    parts = draw(st.lists(children, min_size=1, max_size=3))
    boundary = b"=%d=" % draw(st.integers(10**8, 10**9))
    header = b'Subject: m\r\nContent-Type: multipart/mixed; boundary="%b"\r\n\r\n' % boundary
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary, part.whole) for part in parts)
    return Made(header, b"preamble\r\n" + body + b"--%b--\r\n" % boundary, parts)


@st.composite
def messages_within(draw: st.DrawFn, children: st.SearchStrategy[Made]) -> Made:
    inner = draw(children)
    return Made(b"Content-Type: message/rfc822\r\n\r\n", inner.whole, message=inner)


made = st.recursive(leaves(), lambda children: st.one_of(multiparts(children), messages_within(children)), max_leaves=6)


def opened(wire: bytes, limits: ContentLimits | None = None) -> tuple[Contents, int]:
    mailbox = MemoryMailbox(Target(EmailAddress.parse("ann@example.org")), 1)
    uid = mailbox.add(wire)
    return Contents(mailbox, limits or ContentLimits()), uid


def fetched(contents: Contents, uid: int, attribute: str) -> bytes | None:
    """The octets of one section, as FETCH would send them."""
    [told] = contents.told([uid], parse_fetch_attributes(Cursor(attribute.encode())))
    assert told is not None
    said = b"".join(
        piece if isinstance(piece, bytes) else b"".join(octets_in(piece, told.reader)) for piece in told.pieces
    )
    contents.give_back(told)
    start, literal, octets = said.partition(b"}\r\n")
    if not literal:
        assert said.endswith(b" NIL")
        return None
    assert int(start.rpartition(b"{")[2]) == len(octets)
    return octets


def numbered(top: Made) -> Iterator[tuple[str, Made]]:
    """Every part with its number (RFC 3501 section 6.4.5)."""
    waiting = [(part, str(number)) for number, part in enumerate(top.children or [top], 1)]
    while waiting:
        part, number = waiting.pop()
        yield number, part
        inner = part.message or part
        if inner.children:
            waiting += [(child, f"{number}.{index}") for index, child in enumerate(inner.children, 1)]
        elif part.message is not None:
            waiting.append((part.message, f"{number}.1"))


@given(made)
@settings(max_examples=300, deadline=None)
def test_parts_are_the_octets_that_they_were_made_of(top: Made) -> None:
    contents, uid = opened(top.whole)
    for number, part in numbered(top):
        assert fetched(contents, uid, f"BODY[{number}]") == part.body
        assert fetched(contents, uid, f"BODY[{number}.MIME]") == part.header
        if part.message is not None:
            assert fetched(contents, uid, f"BODY[{number}.HEADER]") == part.message.header
            assert fetched(contents, uid, f"BODY[{number}.TEXT]") == part.message.body
        else:
            assert fetched(contents, uid, f"BODY[{number}.TEXT]") is None


@given(made, st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_header_and_text_are_the_message(top: Made, held: int) -> None:
    contents, uid = opened(top.whole, ContentLimits(held=held))
    header, text = fetched(contents, uid, "BODY[HEADER]"), fetched(contents, uid, "BODY[TEXT]")
    assert (header, text) == (top.header, top.body)
    assert fetched(contents, uid, "BODY[]") == top.whole
    assert fetched(contents, uid, "BINARY[]") == top.whole


@given(st.binary(max_size=200), st.integers(0, 250), st.integers(1, 250), st.sampled_from([1, 20, 1000]))
@example(b" NIL", 0, 1, 1)
@settings(max_examples=200, deadline=None)
def test_any_octets_at_all_are_taken_apart_without_a_fault(wire: bytes, first: int, count: int, held: int) -> None:
    contents, uid = opened(wire, ContentLimits(held=held))
    assert fetched(contents, uid, "BODY[HEADER]") + fetched(contents, uid, "BODY[TEXT]") == wire
    assert fetched(contents, uid, f"BODY[]<{first}.{count}>") == wire[first : first + count]
    for attribute in ("ENVELOPE", "BODY", "BODYSTRUCTURE"):
        [told] = contents.told([uid], parse_fetch_attributes(Cursor(attribute.encode())))
        assert told is not None


@given(made)
@settings(max_examples=100, deadline=None)
def test_chosen_fields_and_the_others_are_all_fields(top: Made) -> None:
    contents, uid = opened(top.whole)
    chosen = fetched(contents, uid, "BODY[HEADER.FIELDS (subject x-a)]")
    others = fetched(contents, uid, "BODY[HEADER.FIELDS.NOT (subject x-a)]")
    assert sorted((chosen[:-2] + others[:-2]).split(b"\r\n")) == sorted(top.header[:-2].split(b"\r\n"))
