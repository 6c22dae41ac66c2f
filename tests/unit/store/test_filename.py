"""The names of message files."""

from __future__ import annotations

import pytest

from mailbox_d.store.filename import arrival, disk_size, is_listable, join_name, sort_letters, split_name, wire_size


@pytest.mark.parametrize(
    ("name", "base", "letters"),
    [
        (b"1.M2P3.host,S=4,W=5:2,FS", b"1.M2P3.host,S=4,W=5", b"FS"),
        (b"1.host", b"1.host", b""),
        (b"1.host:2,", b"1.host", b""),
        (b"1.host:2", b"1.host", b""),
        (b"1.host:1,experimental", b"1.host", b""),
        (b"1.host:2,S:2,F", b"1.host", b"S:2,F"),
        (b"1.host:2,\xff\n", b"1.host", b"\xff\n"),
        (b":2,S", b"", b"S"),
        (b"", b"", b""),
    ],
)
def test_a_name_is_split(name: bytes, base: bytes, letters: bytes) -> None:
    assert split_name(name) == (base, letters)


def test_letters_are_sorted_and_written_once() -> None:
    assert join_name(b"x", sort_letters(b"TSaSFX")) == b"x:2,FSTXa"


@pytest.mark.parametrize(
    ("base", "on_disk", "on_wire"),
    [
        (b"1.host,S=4,W=5", 4, 5),
        (b"1.host,W=5,S=4", 4, 5),
        (b"1.host,S=4", 4, None),
        (b"1.host,S=4,W=5,X=6", 4, 5),
        (b"1.host", None, None),
        (b"1.host,S=,W=", None, None),
        (b"1.host,S=-4,W=+5", None, None),
        (b"1.host,S=4x,W=5_0", None, None),
        (b"1.host,S=0,W=0", 0, 0),
        (b"1.host,S=" + b"9" * 19 + b",W=" + b"9" * 200, None, None),
        (b"12", None, None),
        (b"99", None, None),
        (b"1700000000", None, None),
    ],
)
def test_sizes_are_what_the_name_says(base: bytes, on_disk: int | None, on_wire: int | None) -> None:
    assert disk_size(base) == on_disk
    assert wire_size(base) == on_wire


def test_messages_are_put_in_order_by_the_time_in_their_names() -> None:
    names = [b"10.M5.h", b"9.M7.h", b"10.M12.h", b"x", b"10.h", b"9" * 40 + b".h"]
    assert sorted(names, key=arrival) == [b"9" * 40 + b".h", b"x", b"9.M7.h", b"10.h", b"10.M5.h", b"10.M12.h"]


@pytest.mark.parametrize("base", [b"", b".x", b"a\nb", b"a\rb"])
def test_attack_121_a_name_that_no_list_can_hold(base: bytes) -> None:
    assert not is_listable(base)
