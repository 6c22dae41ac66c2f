"""SEARCH's return options, and the answers that they ask for (RFC 4731, RFC 5032)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.commands import Search
from mailbox_d.wire.imap.errors import BadSyntax, TooMuchAsked
from mailbox_d.wire.imap.parser import parse_command
from mailbox_d.wire.imap.search import All, HasFlag, Not, ReturnOption, Younger


def parsed(text: bytes) -> Search:
    command = parse_command(text, 0)
    assert isinstance(command, Search)
    return command


def test_return_options_stand_before_the_charset() -> None:
    command = parsed(b"UID SEARCH return (min COUNT) CHARSET UTF-8 FLAGGED")
    assert command == Search(HasFlag(r"\Flagged"), True, frozenset({ReturnOption.MIN, ReturnOption.COUNT}))


def test_no_return_options_ask_for_all() -> None:
    assert parsed(b"SEARCH RETURN () ALL").returns == {ReturnOption.ALL}
    assert parsed(b"SEARCH ALL").returns is None


@pytest.mark.parametrize(
    "text",
    [
        b"RETURN (SAVE) ALL",
        b"RETURN (MIN",
        b"RETURN (MIN)",
        b"RETURN (MIN,MAX) ALL",
        b"RETURN MIN ALL",
        b"YOUNGER 0",
        b"OLDER",
    ],
)
def test_what_is_no_return_option_or_no_interval(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parsed(b"SEARCH " + text)


def test_older_is_what_is_not_younger() -> None:
    assert parsed(b"SEARCH OLDER 60").key == Not(Younger(60))
    assert parsed(b"SEARCH YOUNGER 60").key == Younger(60)
    assert parsed(b"SEARCH ALL").key == All()


def test_attack_59_keys_have_a_bound() -> None:
    parsed(b"SEARCH" + b" SEEN" * 1000)
    with pytest.raises(TooMuchAsked, match="At most 1000 search keys at once"):
        parsed(b"SEARCH" + b" SEEN" * 1001)


@given(st.sets(st.integers(1, 60)))
def test_ranges_name_each_number_once(numbers: set[int]) -> None:
    ascending = sorted(numbers)
    words = list(responses.ranges(ascending))
    named = []
    for word in words:
        low, _, high = word.partition(b":")
        named += range(int(low), int(high or low) + 1)
    assert named == ascending
    assert len(words) == sum(number - 1 not in numbers for number in numbers)


def test_a_tag_is_told_as_a_string() -> None:
    assert (
        responses.esearch(b"A282", [b"MIN 2", b"COUNT 3"], by_uid=True) == b'* ESEARCH (TAG "A282") UID MIN 2 COUNT 3'
    )
