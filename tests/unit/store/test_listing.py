"""What a mailbox holds, as several threads see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, ValuesView

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.store.filename import is_listable
from mailbox_d.store.listing import Difference, Listing, Place
from mailbox_d.store.ports import Message


class ReadSlowly(dict[int, Message]):
    """Something else happens before what was read is put to use."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def values(self) -> ValuesView[Message]:
        read = dict(self).values()
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return read


def test_a_snapshot_that_another_thread_overtakes_is_not_kept() -> None:
    listing = Listing()
    first, second = Message(1, frozenset(), 5), Message(2, frozenset(), 5)
    listing.messages = ReadSlowly(lambda: listing.add([second], [b"b"], ()))
    listing.add([first], [b"a"], ())
    listing.snapshot()
    assert listing.snapshot() == (first, second)


BASES = st.sampled_from([b"a", b"b", b"c", b"d", b"e,S=1,W=2", b"f\n", b"g"])
NAMES = st.lists(
    st.tuples(BASES, st.sampled_from([b"", b":2,", b":2,S", b":2,FS", b":1,x"])).map(b"".join), unique=True
)
LINES = st.lists(BASES, unique=True).flatmap(
    lambda bases: st.lists(st.integers(1, 12), min_size=len(bases), max_size=len(bases), unique=True).map(
        lambda uids: dict(zip(bases, sorted(uids), strict=True))
    )
)


def known(names: Sequence[bytes], in_new: int) -> Listing:
    """A mailbox that holds these, the first ones in `new`; the second of two with one base it has never seen."""
    listing = Listing()
    places = {name.partition(b":")[0]: name for name in reversed(names)}
    messages = [Message(2 * number, frozenset(), 5) for number in range(1, len(places) + 1)]
    listing.add(messages, list(places.values()), [message.uid for message in messages[:in_new]])
    return listing


def sorted_one_by_one(listing: Listing, new: Sequence[bytes], cur: Sequence[bytes], lines: Mapping[bytes, int]) -> str:
    """What becomes of each name that was found, and of each message."""
    uid_of, told = dict(listing.bases()), dict[object, str]()
    places = {uid: listing.place(uid) for uid in listing.messages}
    here = {Place.of(name, is_new=is_new) for is_new, names in ((False, cur), (True, new)) for name in names}
    missing = {uid for uid, place in places.items() if place not in here}
    listed, unlisted = set[int](), set[bytes]()
    for is_new, names in ((False, cur), (True, new)):
        fresh = [Place.of(name, is_new=is_new) for name in names]
        fresh = [place for place in fresh if place not in places.values()]
        for place in fresh:
            uid = uid_of.get(place.base)
            if uid is not None:
                told[place] = "moved" if uid in missing else "ignored"
                missing.discard(uid)
            elif lines.get(place.base, 0) > listing.highest and lines[place.base] not in listed:
                listed.add(lines[place.base])
                told[place] = f"found {lines[place.base]}"
            elif is_listable(place.base) and place.base not in unlisted and lines.get(place.base) not in listed:
                unlisted.add(place.base)
                told[place] = "unlisted"
            else:
                told[place] = "ignored"
    return str(sorted(map(str, told.items()))) + str(sorted(missing))


def as_told(difference: Difference) -> str:
    told = [(place, "ignored") for place in difference.ignored]
    told += [(place, "moved") for _, place in difference.moved]
    told += [(place, "unlisted") for place in difference.unlisted.values()]
    told += [
        (Place.of(name, is_new=uid in difference.found_new), f"found {uid}") for uid, name in difference.found.items()
    ]
    return str(sorted(map(str, told))) + str(sorted(difference.gone))


@given(st.lists(BASES, unique=True, max_size=3), st.integers(0, 3), NAMES, NAMES, LINES)
def test_many_names_are_sorted_as_each_would_be(
    names: list[bytes], in_new: int, new: list[bytes], cur: list[bytes], lines: dict[bytes, int]
) -> None:
    listing = known([name + b":2," for name in names], in_new)
    difference = listing.compare(new, cur, lines)
    found = list(difference.found)
    assert found == sorted(found)
    if not has_twins(new) and not has_twins(cur):
        assert as_told(difference) == sorted_one_by_one(listing, new, cur, lines)


def has_twins(names: Sequence[bytes]) -> bool:
    """Of two files with one base in one directory either may be taken."""
    return len({name.partition(b":")[0] for name in names}) < len(names)


@given(NAMES, LINES)
def test_of_two_names_with_one_base_one_is_taken(names: list[bytes], lines: dict[bytes, int]) -> None:
    difference = Listing().compare((), names, lines)
    taken = [*difference.found.values(), *(place.name for place in difference.unlisted.values())]
    assert sorted([*taken, *(place.name for place in difference.ignored)]) == sorted(names)
    assert len({name.partition(b":")[0] for name in taken}) == len(taken)
