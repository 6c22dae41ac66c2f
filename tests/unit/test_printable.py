"""Strangers' text in the log and in faults."""

from __future__ import annotations

import pytest

from mailbox_d.printable import escaped, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("a\rb", "a\\rb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x85", "\\x85"),
        ("\u2028", "\\u2028"),
        ("100 %", "100 %"),
        ("\ud800", "\\ud800"),
        ("élise", "élise"),
    ],
)
def test_attack_125_what_cannot_be_printed_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert one_line(text) == shown


def test_attack_125_long_text_is_cut_and_says_so() -> None:
    assert one_line("x" * 65536, 10) == "xxxxxxxxx…"
