from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.auth.alias_loops import loops

graphs = st.dictionaries(st.integers(0, 9), st.lists(st.integers(0, 12), max_size=4), max_size=10)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ({}, []),
        ({1: [2], 2: [3]}, []),
        ({1: [2, 3], 2: [4], 3: [4]}, []),
        ({1: [1]}, [(1, 1)]),
        ({1: [2], 2: [1]}, [(1, 2, 1)]),
        ({0: [1], 1: [2], 2: [1]}, [(1, 2, 1)]),
        ({1: [1, 2], 2: [2]}, [(1, 1), (2, 2)]),
    ],
)
def test_loops_are_found(targets: dict[int, list[int]], expected: list[tuple[int, ...]]) -> None:
    assert list(loops(targets)) == expected


def test_a_long_chain_needs_no_recursion() -> None:
    chain = {n: [n + 1] for n in range(50_000)}
    assert list(loops(chain)) == []
    assert [loop[0] for loop in loops({**chain, 50_000: [0]})] == [0]


@given(graphs)
def test_what_is_found_is_a_loop_and_without_loops_nothing_is_found(targets: dict[int, list[int]]) -> None:
    found = list(loops(targets))
    for loop in found:
        assert loop[0] == loop[-1]
        assert all(after in targets[before] for before, after in pairwise(loop))
    reachable = {name: set(names) for name, names in targets.items()}
    for _ in reachable:
        for names in reachable.values():
            names |= {far for near in names for far in reachable.get(near, ())}
    assert bool(found) == any(name in names for name, names in reachable.items())
