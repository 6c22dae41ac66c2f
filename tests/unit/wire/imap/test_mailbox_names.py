"""Mailbox names from the wire."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d import mutf7
from mailbox_d.errors import MailboxNameError
from mailbox_d.wire.imap.mailbox_names import from_wire, is_name, new_from_wire, to_wire

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Entwürfe") for form in ("NFC", "NFD"))

names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"inbox", "INBOX"),
        (b"Inbox/a", "INBOX/a"),
        (b"INBOXES", "INBOXES"),
        (b"a/inbox", "a/inbox"),
        (b"&ATE-nbox", "\N{LATIN SMALL LETTER DOTLESS I}nbox"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"a &- b", "a & b"),
    ],
)
def test_names(wire: bytes, name: str) -> None:
    assert from_wire(wire) == name


@pytest.mark.parametrize(
    "wire", [b"\xc3\xbc", b"a&b", b"&AC8-", b"a\0b", b"a\nb", b"&AAo-", b"&AIU-", b"&ICg-", b"\x7f"]
)
def test_attack_61_other_octets_are_no_name(wire: bytes) -> None:
    with pytest.raises(MailboxNameError):
        from_wire(wire)


@pytest.mark.parametrize("utf8", [False, True])
def test_attack_61_a_very_long_name_is_not_decoded(monkeypatch: pytest.MonkeyPatch, utf8: bool) -> None:
    monkeypatch.setattr(mutf7, "decode", lambda octets: pytest.fail("looked at"))
    with pytest.raises(MailboxNameError):
        from_wire(b"&AAA-" * 200_000, utf8=utf8)


def test_names_to_the_wire() -> None:
    assert to_wire("Entwürfe") == b"Entw&APw-rfe"


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"Inbox/a", "INBOX/a"),
        (b"Entw\xc3\xbcrfe", "Entwürfe"),
        (b"Entw&APw-rfe", "Entw&APw-rfe"),
        (b"a & b", "a & b"),
        (b"\xf0\x9f\x92\xa9", "\N{PILE OF POO}"),
    ],
)
def test_names_in_utf_8(wire: bytes, name: str) -> None:
    assert from_wire(wire, utf8=True) == name


@pytest.mark.parametrize(
    "wire",
    [
        *(b"\xff", b"\xc3", b"\xbc", b"\xc0\xae", b"\xed\xa0\xbd", b"\xf4\x90\x80\x80", b"\xe0\x80\xaf"),
        *(b"a\0b", b"a\r\nb", b"\x1b", b"\x7f", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9"),
    ],
)
def test_attack_61_other_octets_are_no_name_in_utf_8(wire: bytes) -> None:
    with pytest.raises(MailboxNameError):
        from_wire(wire, utf8=True)


def test_a_new_name_in_utf_8_is_in_normal_form() -> None:
    assert new_from_wire(COMPOSED.encode(), utf8=True) == COMPOSED
    with pytest.raises(MailboxNameError):
        new_from_wire(DECOMPOSED.encode(), utf8=True)


def test_names_in_another_normal_form_can_be_used() -> None:
    assert from_wire(DECOMPOSED.encode(), utf8=True) == DECOMPOSED
    assert new_from_wire(to_wire(DECOMPOSED)) == DECOMPOSED


def test_attack_61_no_time_is_spent_on_the_normal_form_of_a_very_long_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unicodedata, "is_normalized", lambda form, text: pytest.fail("looked at"))
    with pytest.raises(MailboxNameError):
        new_from_wire("\u0301\u0316".encode() * 1001, utf8=True)


@given(names)
def test_every_name_comes_back_in_both_forms(name: str) -> None:
    assert is_name(name)
    told = from_wire(to_wire(name))
    assert told == from_wire(to_wire(name, utf8=True), utf8=True)
    assert told.casefold() == name.casefold()


@given(st.binary())
def test_what_is_taken_for_a_name_can_be_told_in_both_forms(wire: bytes) -> None:
    for utf8 in (False, True):
        try:
            name = from_wire(wire, utf8=utf8)
        except MailboxNameError:
            continue
        assert from_wire(to_wire(name, utf8=not utf8), utf8=not utf8) == name
