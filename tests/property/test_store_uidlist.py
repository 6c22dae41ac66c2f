"""dovecot-uidlist: any octets are read without fault, and what is trusted obeys the rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.store import uidlist
from mailbox_d.store.uidlist import Header, format_header, format_lines, parse, parse_lines

WORDS = st.sampled_from(
    [b"1", b"2", b"3", b"17", b"4294967294", b"4294967295", b"0", b" ", b" :", b":", b"\n", b"a", b"P", b"/"]
)
JUNK = st.lists(WORDS, max_size=60).map(b"".join)
NAMES = st.lists(st.binary(min_size=1, max_size=9).filter(uidlist.is_listable), unique=True, max_size=20)


@given(JUNK | st.binary(max_size=200))
def test_attack_123_whatever_stands_in_the_list_what_is_kept_makes_sense(content: bytes) -> None:
    header, lines = parse(b"3 V7 N2\n" + content)
    uids = list(lines.uid_of.values())
    assert header.uid_validity == 7
    assert all(0 < uid <= uidlist.UID_MAX for uid in uids)
    assert len(set(uids)) == len(uids)
    assert all(uid <= lines.highest for uid in uids)
    assert all(map(uidlist.is_listable, lines.uid_of))


@given(JUNK)
def test_the_quick_way_reads_what_the_careful_way_reads(content: bytes) -> None:
    complete = content[: content.rfind(b"\n") + 1]
    quick = uidlist._parse_fast(complete, 0)
    if quick is not None:
        careful = uidlist._parse_careful(complete, 0)
        assert quick.uid_of == careful.uid_of
        assert (quick.highest, quick.damaged) == (careful.highest, careful.damaged)


@given(NAMES, st.lists(st.integers(1, uidlist.UID_MAX), unique=True, min_size=20, max_size=20))
def test_a_written_list_is_read_back(names: list[bytes], numbers: list[int]) -> None:
    names = [name.partition(b":")[0] for name in names if name.partition(b":")[0]]
    names = list(dict.fromkeys(names))
    rows = [(uid, b"", name) for uid, name in zip(sorted(numbers), names, strict=False)]
    header, lines = parse(format_header(Header(9, 10)) + format_lines(rows))
    assert header == Header(9, 10)
    assert lines.uid_of == {name: uid for uid, _, name in rows}
    assert not lines.damaged


@given(st.binary(max_size=100), st.integers(0, 100))
def test_appended_junk_is_never_at_or_below_what_was_there(content: bytes, above: int) -> None:
    lines = parse_lines(content[: content.rfind(b"\n") + 1], above)
    assert all(uid > above for uid in lines.uid_of.values())
    assert lines.highest >= above
