"""Regular expressions keep to what Debian 12's Python 3.11.2 gets right.

A possessive quantifier behind a group (`(...)*+`) may there leave half of a failed repetition in the match (CPython
gh-106052, mended in 3.11.5): `a(?:\\.[^.@]+)*+` matches `a.` of `a.@`. Behind a single character or a set it is right,
and an atomic group `(?>(?:...)*)` says the same everywhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mailbox_d"
POSSESSIVE_BEHIND_A_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{\d*,?\d*\})\+")


def test_no_possessive_quantifier_stands_behind_a_group() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if POSSESSIVE_BEHIND_A_GROUP.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("expression", [r"(?:\.b)*+", r"(a|b)++", r"(?:x)?+", r"(?:x){1,3}+"])
def test_the_check_finds_planted_ones(expression: str) -> None:
    assert POSSESSIVE_BEHIND_A_GROUP.search(expression)


def test_what_is_used_instead_is_right() -> None:
    matched = re.match(r"a(?>(?:\.[^.@]+)*)", "a.@b")
    assert matched is not None and matched[0] == "a"
