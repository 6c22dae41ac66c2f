"""The structure scanner: whatever the cuts, within its limits, in linear work. What odd messages are: tests/golden."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.mime.scanner import StructureScanner, scan
from mailbox_d.mime.structure import MimeLimits, Part, section

PIECES = (
    *(b"\r\n", b"\n", b"\r", b"-", b"--", b"--a", b"--b", b" ", b"x" * 90, b"\r\n\r\n"),
    *(b"\r\n--a\r\n", b"\r\n--b--\r\n", b"--a--", b"Subject: a\r\n b\r\n", b'To: "a" <b@c>, d: e@f;\r\n'),
    b"Content-Type: multipart/mixed; boundary=a\r\n",
    b"Content-Type: multipart/digest; boundary=b\r\n",
    b"Content-Type: message/rfc822\r\n",
)
LIMITS = (
    MimeLimits(),
    MimeLimits(depth=3, parts=4),
    MimeLimits(header=60, header_kept=50, headers_kept=120, boundary=1),
)


def parts_of(part: Part) -> Iterator[Part]:
    """The part and all within it, without recursion."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(part.children)
        waiting.extend([part.message] if part.message else ())


def depth_of(part: Part) -> int:
    depth = 0
    level = [part]
    while level:
        depth += 1
        level = [inner for part in level for inner in (*part.children, *([part.message] if part.message else []))]
    return depth


def multiparts(depth: int) -> bytes:
    """Each multipart within the one before."""
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(depth)
    )
    return nested + b"\r\ninnermost\r\n"


messages = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


@given(messages, st.sampled_from(LIMITS), st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_cuts_do_not_matter(message: bytes, limits: MimeLimits, lengths: list[int]) -> None:
    whole = scan([message], limits)
    assert scan([message[place : place + 1] for place in range(len(message))], limits) == whole
    chunks = []
    place = 0
    for number in range(len(message)):
        length = lengths[number % len(lengths)]
        chunks.append(message[place : place + length])
        place += length
    assert scan(chunks, limits) == whole


@given(messages, st.sampled_from(LIMITS))
def test_parts_lie_within_their_parent_and_lines_are_counted(message: bytes, limits: MimeLimits) -> None:
    whole = scan([message], limits)
    assert (whole.header_start, whole.body_end) == (0, len(message))
    for part in parts_of(whole):
        assert part.header_start <= part.body_start <= part.body_end
        assert part.lines == message.count(b"\n", part.body_start, part.body_end)
        assert bool(part.children) == part.is_multipart
        place = part.body_start
        for inner in (*part.children, *([part.message] if part.message else [])):
            assert place <= inner.header_start
            place = inner.body_end
        assert place <= part.body_end


@pytest.mark.parametrize("depth", [300, 1000, 20_000])
def test_attack_97_multiparts_in_multiparts(depth: int) -> None:
    whole = scan([multiparts(depth)])
    assert depth_of(whole) == MimeLimits().depth
    *_, innermost = parts_of(whole)
    assert (innermost.type, innermost.subtype) == (b"application", b"octet-stream")
    assert innermost.body_end == whole.body_end


def test_attack_97_messages_in_messages() -> None:
    whole = scan([b"Content-Type: message/rfc822\r\n\r\n" * 1000])
    assert depth_of(whole) == MimeLimits().depth
    *_, innermost = parts_of(whole)
    assert innermost.type == b"application"
    assert innermost.message is None


def test_attack_98_parts_without_number() -> None:
    whole = scan([b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", b"--b\r\n\r\nx\r\n" * 100_000, b"--b--\r\n"])
    assert len(whole.children) == MimeLimits().parts - 1
    assert whole.children[0].size == len(b"x")
    assert whole.children[-1].size > len(b"--b\r\n\r\nx\r\n") * 90_000


def test_attack_98_messages_count_as_parts() -> None:
    one = b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n"
    whole = scan([b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", one * 100], MimeLimits(parts=20))
    assert len(list(parts_of(whole))) == 20


def test_attack_104_a_boundary_that_closes_itself_ends() -> None:
    whole = scan([b'Content-Type: multipart/mixed; boundary="--"\r\n\r\n----\r\n------\r\n----\r\n'])
    assert [part.size for part in whole.children] == [0]


def test_long_header_is_a_header_and_its_part_opaque() -> None:
    header = b"Subject: first\r\nContent-Type: multipart/mixed; boundary=b\r\n" + b"X: %s\r\n" % (b"x" * 2000)
    limits = MimeLimits(header=1000, header_kept=100)
    whole = scan([header, b"To: late@example.org\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"], limits)
    assert whole.body_start == len(header) + len(b"To: late@example.org\r\n\r\n")
    assert (whole.type, whole.subtype, whole.children) == (b"application", b"octet-stream", ())
    assert whole.envelope is not None
    assert (whole.envelope.subject, whole.envelope.to) == (b"first", ())


def test_what_is_kept_of_all_headers_is_bounded() -> None:
    part = b"--b\r\nContent-ID: %s\r\n\r\n" % (b"i" * 100)
    limits = MimeLimits(headers_kept=1000)
    whole = scan([b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", part * 100], limits)
    assert len(whole.children) == 100
    assert sum(len(child.id or b"") for child in whole.children) <= 1000


def test_memory_does_not_grow_with_a_body() -> None:
    scanner = StructureScanner()
    scanner.feed(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n")
    held = []
    for _ in range(100):
        scanner.feed(b"--no boundary " + b"x" * 5000)
        held.append(len(scanner._data))
    assert max(held) < 2000


# What the work is: lines of Python that run, and steps of the scanner. Neither depends on the machine.


def lines_run(work: Callable[[], object]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


HOSTILE = {
    "delimiters": lambda n: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * n,
    "near delimiters": lambda n: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--x\r\n" * n,
    "near delimiters in a header": lambda n: b"--x\n" * n,
    "empty lines": lambda n: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"\r\n" * n,
    "multiparts": lambda n: multiparts(n // 10),
    "messages": lambda n: b"Content-Type: message/rfc822\r\n\r\n" * (n // 10),
    "equal boundaries": lambda n: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * (n // 10),
    "attack 99: unclosed quote": lambda n: b'Content-Type: text/plain; a="' + b"\\x" * n,
    "attack 99: pieces": lambda n: b"Content-Type: text/plain" + b"".join(b"; a*%d=x" % i for i in range(n)),
    "attack 99: quotes": lambda n: b"Content-Type: text/plain" + b';a="' * n,
    "attack 99: no value": lambda n: b"Content-Type: text/plain" + b"; a " * n,
    "comments in a Content-Type": lambda n: b"Content-Type: text/plain" + b" (" * n,
    "fields": lambda n: b"X: y\n" * n,
    "folds": lambda n: b"Subject: x" + b"\r\n y" * n,
    "attack 100: addresses": lambda n: b"To: " + b"a@b," * n,
    "attack 100: groups": lambda n: b"To: " + b"a:b@c;" * n,
    "attack 100: comments": lambda n: b"To: " + b"(" * n,
    "attack 100: comments in turn": lambda n: b"To: " + b"(a)" * n,
    "attack 100: route": lambda n: b"To: <" + b"@a," * n,
    "attack 100: colons": lambda n: b"To: a@b" + b":" * n,
    "attack 100: brackets": lambda n: b"To: " + b"<" * n + b"[" * n,
    "attack 100: blanks": lambda n: b"To: a" + b" " * n + b"b" + b" a" * n,
    "attack 100: quotes": lambda n: b"To: " + b'"' * n,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_work_is_linear(case: str) -> None:
    wide = MimeLimits(parameters=10**9, addresses=10**9)
    one, two, four = (lines_run(partial(scan, [HOSTILE[case](n)], wide)) for n in (1000, 2000, 4000))
    assert two <= 2.2 * one + 1000
    assert four <= 2.2 * two + 1000


@pytest.mark.parametrize("case", HOSTILE)
def test_steps_are_no_more_than_octets(case: str) -> None:
    for chunk in (1, 7, 4096):
        message = HOSTILE[case](300)
        scanner = StructureScanner()
        for place in range(0, len(message), chunk):
            scanner.feed(message[place : place + chunk])
        scanner.finish()
        assert scanner.work <= 3 * len(message) + 100


def numbered(text: bytes, *numbers: int) -> bytes | None:
    part = section(scan([text]), numbers)
    return None if part is None else text[part.body_start : part.body_end]


MIXED = (
    b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nfirst\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\none\r\n--i\r\n\r\ntwo\r\n--i--\r\n"
    b"--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nthird\r\n--o--\r\n"
)


@pytest.mark.parametrize(
    ("numbers", "body"),
    [
        ((1,), b"first"),
        ((2, 1), b"one"),
        ((2, 2), b"two"),
        ((3,), b"Subject: x\r\n\r\nthird"),
        ((3, 1), b"third"),
        ((0,), None),
        ((4,), None),
        ((1, 1), None),
        ((2, 3), None),
        ((3, 2), None),
        ((3, 1, 1), None),
        ((4294967295,), None),
    ],
)
def test_section_of_a_multipart(numbers: tuple[int, ...], body: bytes | None) -> None:
    assert numbered(MIXED, *numbers) == body


def test_part_1_of_plain_text_is_its_body() -> None:
    assert numbered(b"Subject: x\r\n\r\nbody", 1) == b"body"
    assert numbered(b"Subject: x\r\n\r\nbody", 2) is None
    assert numbered(b"Subject: x\r\n\r\nbody", 1, 1) is None


def test_part_1_of_a_message_in_a_message_is_the_inner_message() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody"
    assert numbered(message, 1) == b"Subject: x\r\n\r\nbody"
    assert numbered(message, 1, 1) == b"body"
    assert numbered(message, 1, 1, 1) is None
