"""Mailbox names from the wire."""

from __future__ import annotations

import pytest

from mailbox_d.errors import MailboxNameError
from mailbox_d.wire.imap.mailbox_names import from_wire, to_wire


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


def test_names_to_the_wire() -> None:
    assert to_wire("Entwürfe") == b"Entw&APw-rfe"
