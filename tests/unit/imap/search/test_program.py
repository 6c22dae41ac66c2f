"""SEARCH's tree of keys as a program: whatever the tree, the answer is that of walking it."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.imap.search.program import Verdict, bits_of, evaluate, indexes_of, program_of
from mailbox_d.wire.imap.search import And, HasFlag, Not, Or, SearchKey

LEAVES = [HasFlag(name) for name in "abc"]
EVERYTHING = bits_of(range(8))

trees = st.recursive(
    st.sampled_from(LEAVES),
    lambda keys: st.one_of(
        st.builds(Not, keys),
        st.builds(Or, keys, keys),
        st.builds(And, st.lists(keys, min_size=2, max_size=4).map(tuple)),
    ),
)


def walked(key: SearchKey, sets: dict[SearchKey, int]) -> int:
    match key:
        case Not(inner):
            return EVERYTHING & ~walked(inner, sets)
        case Or(first, second):
            return walked(first, sets) | walked(second, sets)
        case And(keys):
            return reduce(int.__and__, (walked(inner, sets) for inner in keys))
        case _:
            return sets[key]


@given(trees, st.lists(st.integers(0, EVERYTHING), min_size=3, max_size=3))
def test_what_is_known_is_combined_as_the_tree_says(key: SearchKey, found: list[int]) -> None:
    sets = dict(zip(LEAVES, found, strict=True))
    verdict = evaluate(program_of(key), lambda leaf: Verdict(sets[leaf], sets[leaf]), EVERYTHING)
    assert verdict == (walked(key, sets), walked(key, sets))


@given(trees, st.lists(st.integers(0, EVERYTHING), min_size=3, max_size=3), st.sets(st.sampled_from(LEAVES)))
def test_what_is_not_known_yet_never_misleads(key: SearchKey, found: list[int], unknown: set[SearchKey]) -> None:
    sets = dict(zip(LEAVES, found, strict=True))
    verdict = evaluate(
        program_of(key),
        lambda leaf: Verdict(0, EVERYTHING) if leaf in unknown else Verdict(sets[leaf], sets[leaf]),
        EVERYTHING,
    )
    truth = walked(key, sets)
    assert verdict.certain & ~truth == 0
    assert truth & ~verdict.possible == 0


@given(st.sets(st.integers(0, 300)))
def test_a_set_gives_back_its_indexes(indexes: set[int]) -> None:
    bits = sum(1 << index for index in indexes)
    assert list(indexes_of(bits)) == sorted(indexes)


def test_attack_59_a_deep_tree_needs_no_recursion() -> None:
    key: SearchKey = HasFlag("a")
    for _ in range(100):
        key = Or(Not(key), HasFlag("b"))
    assert len(program_of(key)) == 301


def test_a_key_that_is_repeated_is_asked_once() -> None:
    assert program_of(And((HasFlag("a"),) * 1000)) == (HasFlag("a"),)
