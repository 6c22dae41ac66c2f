"""SEARCH's tree of keys as a program without recursion, over many messages at once.

A set of messages is an integer with a bit for each. What is known of a key is two of them: the messages that match, and
those that may. A key that nobody has looked at yet may match any message, so the same program gives all that the cheap
keys can decide, and later, message by message, what the others add.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple, TypeAlias

from mailbox_d.wire.imap.search import And, Not, Or, SearchKey


class Verdict(NamedTuple):
    """The messages that match for certain, and those that match for all we know; each a bit of an integer."""

    certain: int
    possible: int


class Operator(Enum):
    """What joins the verdicts before it."""

    NOT = "NOT"
    AND = "AND"
    OR = "OR"


Program: TypeAlias = tuple[SearchKey | Operator, ...]
"""Keys that hold no others, and operators behind what they join; no more verdicts wait than the keys are deep."""


def program_of(key: SearchKey) -> Program:
    """The program of a tree of keys."""
    waiting: list[SearchKey | Operator] = [key]
    backwards: list[SearchKey | Operator] = []
    while waiting:
        match waiting.pop():
            case Not(inner):
                backwards.append(Operator.NOT)
                waiting.append(inner)
            case Or(first, second):
                backwards.append(Operator.OR)
                waiting += (second, first)
            case And(keys):
                waiting.extend(_joined(keys))
            case leaf:
                backwards.append(leaf)
    backwards.reverse()
    return tuple(backwards)


def asks_for(key: SearchKey, kind: type) -> bool:
    """Whether one of the keys is of this kind."""
    return any(isinstance(leaf, kind) for leaf in program_of(key))


def _joined(keys: tuple[SearchKey, ...]) -> list[SearchKey | Operator]:
    """Keys with an operator above all but one, each key once."""
    last, *others = dict.fromkeys(reversed(keys))
    joined: list[SearchKey | Operator] = [last]
    for key in others:
        joined += (key, Operator.AND)
    return joined


def evaluate(program: Program, verdict_of: Callable[[SearchKey], Verdict], everything: int) -> Verdict:
    """The verdict on the whole; `everything` has the bit of every message that is asked about."""
    stack: list[Verdict] = []
    for item in program:
        if not isinstance(item, Operator):
            stack.append(verdict_of(item))
        elif item is Operator.NOT:
            certain, possible = stack.pop()
            stack.append(Verdict(everything & ~possible, everything & ~certain))
        else:
            stack.append(_join(item, stack.pop(), stack.pop()))
    return stack.pop()


def _join(operator: Operator, one: Verdict, other: Verdict) -> Verdict:
    if operator is Operator.AND:
        return Verdict(one.certain & other.certain, one.possible & other.possible)
    return Verdict(one.certain | other.certain, one.possible | other.possible)


def bits_of(indexes: range) -> int:
    """The set of a range of indexes."""
    return ((1 << len(indexes)) - 1) << indexes.start if indexes else 0


def set_of(digits: bytes | bytearray) -> int:
    """A set from a digit for each message, 0 or 1. Reading digits of base two is linear."""
    return int(digits[::-1] or b"0", 2)


def indexes_of(bits: int) -> Iterator[int]:
    """The indexes in a set, ascending."""
    digits = bin(bits)[:1:-1]
    index = digits.find("1")
    while index >= 0:
        yield index
        index = digits.find("1", index + 1)
