from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.mime import envelope
from mailbox_d.mime.envelope import addresses
from mailbox_d.mime.structure import Address

END = Address(None, None, None, None)


def plain(mailbox: bytes, host: bytes, name: bytes | None = None, route: bytes | None = None) -> Address:
    return Address(name, route, mailbox, host)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b", [plain(b"a", b"b")]),
        (b" a@b , c@d ", [plain(b"a", b"b"), plain(b"c", b"d")]),
        (b"A  B <a@b>", [plain(b"a", b"b", b"A B")]),
        (b'"A, B" <a@b>', [plain(b"a", b"b", b"A, B")]),
        (b'"" <a@b>', [plain(b"a", b"b")]),
        (b'"A \\"x\\" B" <a@b>', [plain(b"a", b"b", b'A "x" B')]),
        (b"J. R. Smith <j@b>", [plain(b"j", b"b", b"J. R. Smith")]),
        (b"=?utf-8?q?A=2C?= <a@b>", [plain(b"a", b"b", b"=?utf-8?q?A=2C?=")]),
        (b"a@b (A)", [plain(b"a", b"b", b"A")]),
        (b"a(x)@(y)b", [plain(b"a", b"b", b"y")]),
        (b'"a b"@c', [plain(b"a b", b"c")]),
        (b"<@r:a@b>", [plain(b"a", b"b", None, b"@r")]),
        (b"<@r,@s:a@b>, c@d", [plain(b"a", b"b", None, b"@r,@s"), plain(b"c", b"d")]),
        (b"G: a@b;", [Address(None, None, b"G", None), plain(b"a", b"b"), END]),
        (b"G:;, a@b", [Address(None, None, b"G", None), END, plain(b"a", b"b")]),
        (b'"G, H":;', [Address(None, None, b"G, H", None), END]),
        (b"G: a@b", [Address(None, None, b"G", None), plain(b"a", b"b"), END]),
        (b"a@b; c@d", [plain(b"a", b"b"), plain(b"c", b"d")]),
        (b"just words", [plain(b"just words", b"")]),
        (b"<>", [plain(b"", b"")]),
        (b",, ,", []),
        (b"(only a comment)", []),
        (b"<a@b, c@d", [plain(b"a", b"b"), plain(b"c", b"d")]),
        (b"a@[IPv6:2001:db8::1]", [plain(b"a", b"[IPv6:2001:db8::1]")]),
        (b"a@b@c", [plain(b"a@b", b"c")]),
        (b"", []),
    ],
)
def test_addresses(value: bytes, expected: list[Address]) -> None:
    assert list(addresses(value, 100)) == expected


@pytest.mark.parametrize("value", [b"a@b," * 1000, b"G: a@b;" * 1000, b"words," * 1000, b"<a@b> x," * 1000])
def test_attack_100_addresses_are_cut(value: bytes) -> None:
    assert len(addresses(value, 10)) == 10


def test_attack_100_words_without_end_are_cut() -> None:
    assert len(addresses(b"a " * 100_000, 10)[0].mailbox or b"") < 1000


def test_attack_100_nested_comments_are_not_recursed_into() -> None:
    assert addresses(b"(" * 100_000 + b"a@b", 10) == ()
    assert addresses(b"(" * 100_000 + b")" * 100_000 + b"a@b", 10)[0].host == b"b"


@given(st.lists(st.sampled_from([b"a", b" ", b"@", b"<", b">", b",", b":", b";", b'"', b"\\", b"(", b")", b"[", b"]"])))
def test_some_list_is_read_from_whatever_there_is(pieces: list[bytes]) -> None:
    for address in addresses(b"".join(pieces), 100):
        assert (address.mailbox is None) <= (address == END)


@given(st.lists(st.sampled_from([b"a@b", b"A B <c@d>", b'"E, F" <g@h>', b"I <j@k>"]), max_size=5))
def test_the_short_way_and_the_long_way_agree(members: list[bytes]) -> None:
    value = b", ".join(members)
    assert addresses(value, 100) == envelope._any_addresses(value, 100)


def test_sender_and_reply_to_are_from_where_missing_or_empty() -> None:
    read = envelope.envelope({"from_": b"a@b", "sender": b"", "reply_to": b"c@d"}, 10)
    assert read.sender == read.from_ == (plain(b"a", b"b"),)
    assert read.reply_to == (plain(b"c", b"d"),)
    assert (read.date, read.to) == (None, ())
