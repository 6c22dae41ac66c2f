"""However the network cuts what an IMAP client sends, the framer tells the same."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st

from mailbox_d.wire.imap import framer as framing
from mailbox_d.wire.imap.framer import Chunk, Event, Framer, FramerLimits

LIMITS = FramerLimits(line=60, literals=3, literal_octets=20, streams_messages=True, drained=12, chunk=5)

pieces = st.sampled_from(
    [
        *(
            b"a ",
            b"b NOOP",
            b"LOGIN ",
            b"APPEND ",
            b"INBOX ",
            b'"x y" ',
            b"(\\Seen) ",
            b"{3}",
            b"{3+}",
            b"{0+}",
            b"~{2+}",
            b"UTF8 (~{2+}",
            b")",
        ),
        *(
            b"{12+}",
            b"{13+}",
            b"{21}",
            b"{99999999999+}",
            b"\r\n",
            b"\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b"\0",
            b"word",
            b"\xff",
        ),
    ]
)
streams = st.lists(st.one_of(pieces, pieces, st.binary(max_size=30)), max_size=30).map(b"".join)


def told(segments: Iterable[bytes]) -> list[Event | bytes]:
    """The events, the chunks of a message joined."""
    framer = Framer(LIMITS)
    events: list[Event | bytes] = []
    for segment in segments:
        framer.feed(segment)
        while (event := framer.next_event()) is not None:
            if not isinstance(event, Chunk):
                events.append(event)
            elif events and isinstance(events[-1], bytes):
                events[-1] += event.data
            else:
                events.append(event.data)
    return events


@given(streams)
def test_whole_and_octet_by_octet_are_the_same(stream: bytes) -> None:
    assert told([stream]) == told(stream[at : at + 1] for at in range(len(stream)))


@given(streams, st.lists(st.integers(0, 400), max_size=20))
def test_whole_and_in_random_segments_are_the_same(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    assert told([stream]) == told(stream[first:last] for first, last in itertools.pairwise(places))


@given(streams)
def test_no_more_is_held_than_the_limits_allow(stream: bytes) -> None:
    framer = Framer(LIMITS)
    for at in range(len(stream)):
        framer.feed(stream[at : at + 1])
        while framer.next_event() is not None:
            pass
        held = framer.buffered + len(framer._text) + len(framer._literal) + sum(map(len, framer._literals))
        assert held <= LIMITS.line + 2 + LIMITS.literal_octets


PATTERNS = ("_LITERAL", "_TAG", "_UP_TO_MESSAGE")
MANY_LITERALS = FramerLimits(line=3000, literals=200, literal_octets=1000, streams_messages=True, drained=12, chunk=5)


@dataclass
class Looks:
    """An expression that counts the octets it was shown."""

    pattern: re.Pattern[bytes]
    octets: int = 0

    def search(self, text: bytes) -> re.Match[bytes] | None:
        self.octets += len(text)
        return self.pattern.search(text)

    def match(self, text: bytes) -> re.Match[bytes] | None:
        self.octets += len(text)
        return self.pattern.match(text)


begun = st.sampled_from(
    [b"a APPEND x (", b"a APPEND ", b'a APPEND x "', b"a APPEND x UTF8 (", b"a APPEND x () ", b"a NOOP ", b"a", b""]
)
fillings = st.builds(
    bytes.__mul__, st.sampled_from([b"f", b"(", b'"', b"\\", b"{", b"{1", b" ", b"~"]), st.integers(0, 2500)
)
announced = st.sampled_from([b"{0+}\r\n", b"{1+}\r\nx", b"{0+}\r\n ", b"~{0+}\r\n", b"{0}\r\n"])


@given(begun, fillings, announced, st.integers(0, 200))
@example(b"a APPEND x (", b"f" * 2000, b"{0+}\r\n", 200)
def test_what_came_of_a_command_is_not_looked_at_again_with_each_literal(
    beginning: bytes, filling: bytes, literal: bytes, count: int
) -> None:
    looks: dict[str, Any] = {name: Looks(getattr(framing, name)) for name in PATTERNS}
    stream = beginning + filling + literal * count + b"\r\n"
    framer = Framer(MANY_LITERALS)
    framer.feed(stream)
    with patch.multiple(framing, **looks):
        while framer.next_event() is not None:
            pass
    assert sum(look.octets for look in looks.values()) <= 5 * len(stream)
