"""Modified UTF-7: RFC 3501 section 5.1.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d import mutf7

KNOWN = [
    ("INBOX", b"INBOX"),
    ("", b""),
    ("a & b", b"a &- b"),
    ("&", b"&-"),
    ("Entwürfe", b"Entw&APw-rfe"),
    ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
    ("\N{PILE OF POO}", b"&2D3cqQ-"),
    ("a\x00b", b"a&AAA-b"),
    ("ü&", b"&APw-&-"),
]


@pytest.mark.parametrize(("name", "encoded"), KNOWN)
def test_known_names_both_ways(name: str, encoded: bytes) -> None:
    assert mutf7.encode(name) == encoded
    assert mutf7.decode(encoded) == name


@pytest.mark.parametrize(
    "data",
    [
        b"Entw\xc3\xbcrfe",
        b"a\x00b",
        b"a\r\nb",
        b"a&b",
        b"&APw",
        b"&AC4ALg-",  # "..": ASCII stands for itself
        b"&AC8-",  # "/"
        b"&U,BTFw-&ZeVnLIqe-",  # a superfluous shift out and in again
        b"&2D0-",  # half a surrogate pair
        b"&APx-",  # non-zero padding bits
        b"&A-",
        b"&AP w-",
        b"&AP/w-",
        b"&APw=-",
    ],
)
def test_attack_61_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        mutf7.decode(data)


def test_a_lone_surrogate_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        mutf7.encode("\ud83d")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_name_comes_back(name: str) -> None:
    assert mutf7.decode(mutf7.encode(name)) == name


@given(st.binary())
def test_what_decodes_is_in_its_one_form(data: bytes) -> None:
    try:
        name = mutf7.decode(data)
    except ValueError:
        return
    assert mutf7.encode(name) == data
