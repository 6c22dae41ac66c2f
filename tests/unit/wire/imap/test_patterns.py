"""LIST's wildcards."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.imap.patterns import MailboxPattern


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "a/b/c", True),
        ("%", "a", True),
        ("%", "a/b", False),
        ("%/%", "a/b", True),
        ("a%", "abc", True),
        ("a%c", "abc", True),
        ("a%c", "ab/c", False),
        ("a*c", "ab/c", True),
        ("*c", "abcc", True),
        ("a", "a", True),
        ("a", "ab", False),
        ("ab", "a", False),
        ("", "", True),
        ("", "a", False),
        ("%%", "a", True),
        ("%*%", "a/b", True),
        ("a*", "a", True),
        ("a.b", "axb", False),
        ("INBOX", "INBOX", True),
    ],
)
def test_patterns(pattern: str, name: str, matches: bool) -> None:
    assert MailboxPattern(pattern, "/").matches(name) is matches


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
def test_a_pattern_matches_as_the_regular_expression_does(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "%": "[^/]*"}.get(each, re.escape(each)) for each in pattern)
    assert MailboxPattern(pattern, "/").matches(name) == bool(re.fullmatch(expression, name))


def test_attack_62_many_wildcards_are_one_pass_over_the_name() -> None:
    pattern = MailboxPattern("*%a" * 300 + "b", "/")
    assert not pattern.matches("a" * 1000)
    assert MailboxPattern("*%" * 5000, "/").matches("a/" * 500)
