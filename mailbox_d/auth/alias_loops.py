"""Aliases that lead back to themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name")


def loops(targets: Mapping[Name, Sequence[Name]]) -> Iterator[tuple[Name, ...]]:
    """Each loop found on one walk over all names, first and last name the same; none where there is no loop.

    The walk is linear in names and targets together, however deep aliases lead. To name a loop takes as long as its way
    is: whoever wants many of them may wait.
    """
    finished: set[Name] = set()
    for start in targets:
        if start not in finished:
            yield from _walk(start, targets, finished)


def _walk(start: Name, targets: Mapping[Name, Sequence[Name]], finished: set[Name]) -> Iterator[tuple[Name, ...]]:
    trail = {start: iter(targets.get(start, ()))}
    while trail:
        name, rest = next(reversed(trail.items()))
        following = next((target for target in rest if target not in finished), None)
        if following is None:
            finished.add(name)
            del trail[name]
        elif following in trail:
            yield (*_since(following, trail), following)
        else:
            trail[following] = iter(targets.get(following, ()))


def _since(first: Name, trail: dict[Name, Iterator[Name]]) -> list[Name]:
    """The end of a trail, from one name on."""
    way: list[Name] = []
    for name in reversed(trail):
        way.append(name)
        if name == first:
            break
    return way[::-1]
