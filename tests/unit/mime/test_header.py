"""The header scanner: the same at every cut, bounded, linear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.mime.header import HeaderScanner

MESSAGE = (
    b"Received: one\r\nFrom: Alice\r\n <alice@example.org>\r\nreceived : two\r\nSubject: x\r\n"
    b"\r\nReceived: in the body\r\n"
)


def scan(pieces: list[bytes], **limits: int) -> HeaderScanner:
    scanner = HeaderScanner(("from", "received"), **limits)
    for piece in pieces:
        scanner.feed(piece)
    scanner.finish()
    return scanner


def facts(scanner: HeaderScanner) -> tuple[object, ...]:
    return scanner.size, scanner.fields, dict(scanner.counts), scanner.values, scanner.cut, scanner.begins_folded


@pytest.mark.parametrize("step", range(1, 20))
def test_counts_and_keeps_the_chosen_fields_at_every_cut(step: int) -> None:
    scanner = scan([MESSAGE[place : place + step] for place in range(0, len(MESSAGE), step)])
    assert facts(scanner) == (
        MESSAGE.index(b"\r\n\r\n") + 4,
        4,
        {"received": 2, "from": 1},
        {"from": [" Alice <alice@example.org>"], "received": [" one", " two"]},
        set(),
        False,
    )


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_octets_give_the_same_facts_in_steps_as_whole(message: bytes, step: int) -> None:
    stepped = scan([message[place : place + step] for place in range(0, len(message), step)])
    assert facts(stepped) == facts(scan([message]))


def test_a_message_that_is_all_header_ends_with_it() -> None:
    scanner = scan([b"From: a@example.org"])
    assert scanner.values["from"] == [" a@example.org"]
    assert scanner.size == 19


def test_a_message_without_header() -> None:
    assert facts(scan([b"\r\nFrom: x\r\n"])) == (2, 0, {}, {"from": [], "received": []}, set(), False)


def test_a_line_without_end_is_counted_and_not_held() -> None:
    scanner = HeaderScanner(("from",), max_kept=100)
    for _ in range(1000):
        scanner.feed(b"x" * 1000)
        assert len(scanner._carry) <= 200
    assert scanner.size == 1_000_000


def test_values_are_kept_up_to_a_bound_that_is_told() -> None:
    scanner = scan([b"From: " + b"a" * 300 + b"\r\n\r\n"], max_kept=100)
    assert len(scanner.values["from"][0]) <= 100
    assert scanner.cut == {"from"}


@pytest.mark.parametrize("step", [1, 7, 64, 4096])
def test_long_lines_of_other_fields_cut_nothing_however_they_come(step: int) -> None:
    message = b"To: " + b"x" * 900 + b"\r\n" + b"Received: y\r\n" * 100 + b"From: a@example.org\r\n\r\n"
    scanner = scan([message[place : place + step] for place in range(0, len(message), step)], max_kept=100)
    assert scanner.values["from"] == [" a@example.org"]
    assert scanner.cut == {"received"}


@pytest.mark.parametrize("step", [1, 7, 64, 4096])
@pytest.mark.parametrize(("octets", "cut"), [(100, set()), (101, {"from"})])
def test_the_bound_is_the_same_however_a_value_comes(octets: int, cut: set[str], step: int) -> None:
    message = b"From:" + b"x" * octets + b"\r\nX: y\r\n\r\n"
    assert scan([message[place : place + step] for place in range(0, len(message), step)], max_kept=100).cut == cut


def test_a_section_that_begins_with_the_rest_of_no_field() -> None:
    assert scan([b" From: x\r\nFrom: y\r\n\r\n"]).begins_folded
    assert not scan([b"From: y\r\n\r\n From: x"]).begins_folded


def test_a_lone_cr_at_the_cut_of_a_long_line_does_not_hide_its_end() -> None:
    scanner = HeaderScanner(("from",), max_kept=10)
    scanner.feed(b"Subject: " + b"x" * 50 + b"\r")
    scanner.feed(b"\nFrom: y\r\n\r\n")
    assert scanner.values["from"] == [" y"]
