"""What is told at a glance is what is told of a message that is opened, looked into item by item and remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.imap.fetch.contents import ContentLimits, Contents, Told
from mailbox_d.imap.fetch.glance import Glance
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.store.message_file import HeldMessage
from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.fetch import FetchAttribute, parse_fetch_attributes
from tests.unit.imap.odd_mail import corpus

GOLDEN = Path(__file__).parents[3] / "golden/mime"
FIELDS = b"BODY.PEEK[HEADER.FIELDS (Subject FROM x-a Content-Type)]"
ASKED = (
    b"ENVELOPE",
    b"BODY",
    b"(ENVELOPE BODYSTRUCTURE)",
    b"(BODYSTRUCTURE BODY[HEADER] ENVELOPE RFC822.HEADER)",
    FIELDS,
    b"(BODY.PEEK[HEADER.FIELDS.NOT (Received To)] ENVELOPE)",
)
SMALL = MimeLimits(depth=3, parts=4, header=200, header_kept=100, headers_kept=300, addresses=2, parameters=1)
pieces = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"--b", b"--b--", b"text", b"\0", b"\xff", b'"', b"\\", b"(", b","),
        *(b"Subject: s\r\n", b"From: a <a@b>, c@d\r\n", b"To: x\r\n y@z;\n", b"X-A: 1\r\n", b"MIME-Version: 1.0\n"),
        *(b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n", b"\r\n--b\r\n"),
        *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: (x)\r\n", b"Content-ID: <i>\r\n"),
    ]
)


class One:
    """A mailbox in which every message is this one."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def read(self, uid: int) -> HeldMessage:
        return HeldMessage(self._octets)


def attributes(text: bytes) -> tuple[FetchAttribute, ...]:
    return parse_fetch_attributes(Cursor(text))


def opened(octets: bytes, asked: tuple[FetchAttribute, ...], limits: MimeLimits) -> bytes:
    (told,) = Contents(One(octets), ContentLimits(mime=limits)).told([1], asked)
    assert isinstance(told, Told)
    return b"".join(piece for piece in told.pieces if isinstance(piece, bytes))


def check(octets: bytes, limits: MimeLimits) -> None:
    for asked in map(attributes, ASKED):
        assert Glance(asked, limits).of(octets, 1 << 16) == opened(octets, asked, limits)


@pytest.mark.parametrize("limits", [MimeLimits(), SMALL])
def test_odd_mail(limits: MimeLimits) -> None:
    golden = [path.read_bytes() for path in GOLDEN.rglob("*.eml")]
    assert golden
    for octets in [b"", b"\n", b"\r\n", b"\nx", b"\r\nx", b"no end", b"A: b\n\r\n\r\n", *golden, *corpus()]:
        if len(octets) < 1 << 15:
            check(octets, limits)


@given(st.lists(pieces, max_size=30).map(b"".join), st.sampled_from([MimeLimits(), SMALL]))
def test_any_mail(octets: bytes, limits: MimeLimits) -> None:
    check(octets, limits)


@pytest.mark.parametrize(
    "asked", [b"BODY[]", b"BODY[TEXT]", b"BODY[1.HEADER]", b"BODY[HEADER]<0.5>", b"BINARY[1]", b"(ENVELOPE BODY[1])"]
)
def test_what_is_seen_no_other_way_is_not_seen_at_a_glance(asked: bytes) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Glance(attributes(asked), MimeLimits())


def test_much_is_not_told_at_once() -> None:
    octets = b"Subject: s\r\n\r\n"
    asked = attributes(b"(BODY[HEADER] RFC822.HEADER)")
    told = opened(octets, asked, MimeLimits())
    assert Glance(asked, MimeLimits()).of(octets, len(told)) == told
    assert Glance(asked, MimeLimits()).of(octets, len(told) - 2) is None


@pytest.mark.parametrize("size", [10, 100, 1000])
def test_many_are_told_as_few_are(size: int) -> None:
    asked = attributes(b"(ENVELOPE BODYSTRUCTURE)")
    limits = ContentLimits(structures=2, held=500)
    octets = b"Subject: s\r\n\r\n" + b"x" * size
    contents = Contents(One(octets), limits)
    many = contents.told(range(1, 11), asked)
    assert [each.uid for each in many if isinstance(each, Told)] == list(range(1, 11))
    assert {b"".join(each.pieces) for each in many if isinstance(each, Told)} == {opened(octets, asked, limits.mime)}
    assert (contents.structure(10) is None) == (size < 500), "nothing is remembered of one of many"
