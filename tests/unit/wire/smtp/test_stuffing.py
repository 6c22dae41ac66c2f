"""Messages on the wire: attacks 3 and 4, at every cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.smtp.framer import DataPiece, Framing, SMTPFramer
from mailbox_d.wire.smtp.stuffing import BareNewline, DotStuffer


def stuffed(*pieces: bytes) -> bytes:
    stuffer = DotStuffer()
    return b"".join(map(stuffer.feed, pieces)) + stuffer.end()


def reference(message: bytes) -> bytes:
    """Line by line, as the RFC says it."""
    lines = message.split(b"\r\n")
    last = lines.pop()
    lines += [last] if last else []
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"", b".\r\n"),
        (b"\r\n", b"\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"..\r\n.x\r\n\r\n.", b"...\r\n..x\r\n\r\n..\r\n.\r\n"),
        (b"a.\r\nb\r\n.\r\nQUIT\r\n", b"a.\r\nb\r\n..\r\nQUIT\r\n.\r\n"),
    ],
)
def test_attack_4_dots(message: bytes, wire: bytes) -> None:
    assert stuffed(message) == reference(message) == wire


@pytest.mark.parametrize(
    "message", [b"\n", b"\r", b"a\nb", b"a\rb", b"\n.\n", b"\r.\r", b"a\r\n\n", b"a\r\r\n", b"a\r", b"\r\n.\rQUIT\r\n"]
)
def test_attack_3_bare_newlines_at_every_cut(message: bytes) -> None:
    for place in range(len(message) + 1):
        with pytest.raises(BareNewline):
            stuffed(message[:place], message[place:])


LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x.", b"text", b"\r\n", b"\r\n."]), max_size=12).map(
    b"".join
)


@given(LINES)
def test_every_two_cuts_give_the_reference(message: bytes) -> None:
    expected = reference(message)
    for first in range(len(message) + 1):
        for second in range(first, len(message) + 1):
            assert stuffed(message[:first], message[first:second], message[second:]) == expected


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\r\n"]), max_size=12).map(b"".join), st.integers(0, 24))
def test_what_is_sent_is_what_a_server_reads(message: bytes, place: int) -> None:
    """Either the message comes out of our own framer as it was, or it is not sent."""
    try:
        wire = stuffed(message[:place], message[place:])
    except BareNewline:
        assert message.replace(b"\r\n", b"").strip(b"x.") != b""
        return
    framer = SMTPFramer(1000)
    framer.begin_data()
    framer.feed(wire)
    read = b""
    while isinstance(event := framer.next_event(), DataPiece):
        read += event.octets
    assert event is Framing.END_OF_DATA
    assert framer.buffered == 0
    assert read.removesuffix(b"\r\n") == message.removesuffix(b"\r\n")
