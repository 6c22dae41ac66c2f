"""The body's hash is that of RFC 6376 section 3.4.3, however the body is cut."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbox_d.relay.signing.body_hash import BodyHash

BODIES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a", b" ", b".", b"x" * 40]), max_size=40).map(b"".join),
)


def simple(body: bytes) -> bytes:
    """As the RFC says it: the empty lines at the end are left out, and a last line end is there."""
    return re.sub(rb"(\r\n)*\Z", b"", body, count=1) + b"\r\n"


def hashed(body: bytes, cuts: list[int]) -> bytes:
    made = BodyHash()
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        made.feed(body[start:end])
    return made.finish()


@given(BODIES, st.lists(st.integers(min_value=0, max_value=200), max_size=20))
@example(b"a\r\n\r\n\r\nb\r\n\r\n", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
@example(b"\r", [])
@example(b"a\n\r\n\r\n", [])
@example(b"a\r\r\n\r\n", [])
def test_every_cut_gives_the_hash_of_the_whole(body: bytes, cuts: list[int]) -> None:
    assert hashed(body, cuts) == hashlib.sha256(simple(body)).digest()


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        (b"", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
        (b"\r\n\r\n\r\n", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
    ],
)
def test_an_empty_body(body: bytes, digest: str) -> None:
    """RFC 6376 section 3.4.3."""
    assert base64.b64encode(hashed(body, [])).decode() == digest


def test_a_million_empty_lines_cost_no_memory_of_their_own() -> None:
    made = BodyHash()
    for _ in range(100):
        made.feed(b"\r\n" * 10_000)
    made.feed(b"x")
    assert made.finish() == hashlib.sha256(b"\r\n" * 1_000_000 + b"x\r\n").digest()
