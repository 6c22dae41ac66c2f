"""FETCH's attributes have a bound in number."""

from __future__ import annotations

import pytest

from mailbox_d.wire.imap.commands import Fetch
from mailbox_d.wire.imap.cursor import GrammarLimits
from mailbox_d.wire.imap.errors import TooMuchAsked
from mailbox_d.wire.imap.parser import parse_command


def sections(count: int) -> bytes:
    return b"FETCH 1 (" + b" ".join(b"BODY.PEEK[%d.MIME]" % number for number in range(1, count + 1)) + b")"


def test_attack_59_attributes_have_a_bound() -> None:
    command = parse_command(sections(300), 0)
    assert isinstance(command, Fetch)
    assert len(command.attributes) == 300
    with pytest.raises(TooMuchAsked, match="At most 300 attributes at once"):
        parse_command(sections(301), 0)


def test_the_bound_on_attributes_is_a_limit_that_short_commands_keep_to_too() -> None:
    assert parse_command(b"FETCH 1 (UID FLAGS)", 0, limits=GrammarLimits(fetch_attributes=2))
    with pytest.raises(TooMuchAsked):
        parse_command(b"FETCH 1 (UID FLAGS ENVELOPE)", 0, limits=GrammarLimits(fetch_attributes=2))


def test_an_attribute_that_is_named_again_counts_once() -> None:
    command = parse_command(b"FETCH 1 (" + b"UID " * 2000 + b"UID)", 0)
    assert isinstance(command, Fetch)
    assert len(command.attributes) == 1
