"""Octets are found where Python finds them."""

from __future__ import annotations

import tempfile
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.store.index import octets
from mailbox_d.store.index.octets import Buffer

FEW = st.text("ab", max_size=60).map(str.encode)


def read(text: bytes) -> Buffer:
    buffer = Buffer()
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        assert not buffer.read(file.fileno(), 1, len(text))
        assert buffer.read(file.fileno(), 0, len(text))
    return buffer


@given(FEW.filter(bool), FEW.filter(bool), st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
def test_octets_are_found_where_python_finds_them(text: bytes, needle: bytes, one: int, other: int, near: int) -> None:
    start, stop = sorted((min(one, len(text)), min(other, len(text))))
    buffer = read(text)
    for needle_here in (needle, needle[:3], text[start:stop][2:5] or b"b"):
        with patch.object(octets, "_LOOKED_AT_HERE", near):
            assert buffer.find(needle_here, start, stop) == text.find(needle_here, start, stop)
