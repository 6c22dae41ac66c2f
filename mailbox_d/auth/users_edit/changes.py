"""What is to change in a document, as a value and whatever its text looks like."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeAlias

from mailbox_d.config.faults import KeyPath
from mailbox_d.config.source import Plain


class CannotEdit(Exception):
    """The change cannot be made, and nothing was written; the text says why."""


@dataclass(frozen=True, slots=True)
class Put:
    """Let a key of a mapping have this value, whether or not it is there already."""

    path: KeyPath
    value: Plain


@dataclass(frozen=True, slots=True)
class Append:
    """Add items to a list that is there."""

    path: KeyPath
    values: tuple[Plain, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """Take an entry out of a mapping, or an item out of a list."""

    path: KeyPath


Change: TypeAlias = Put | Append | Remove


def changed(document: Plain, changes: Sequence[Change]) -> Plain:
    """What a document is to be after changes, one after the other. Raises `CannotEdit` where one does not fit."""
    after = deepcopy(document)
    try:
        for change in changes:
            _change(after, change)
    except (KeyError, IndexError, TypeError):
        raise CannotEdit("there is nothing at this place of the file") from None
    return after


def _change(document: Plain, change: Change) -> None:
    if isinstance(change, Append):
        items = _at(document, change.path)
        if not isinstance(items, list):
            raise TypeError
        items.extend(deepcopy(change.values))
        return
    above, last = _at(document, change.path[:-1]), change.path[-1]
    if isinstance(above, dict) and isinstance(last, str):
        if isinstance(change, Put):
            above[last] = deepcopy(change.value)
        else:
            del above[last]
    elif isinstance(above, list) and isinstance(last, int) and isinstance(change, Remove):
        del above[last]
    else:
        raise TypeError


def _at(document: Plain, path: KeyPath) -> Plain:
    for step in path:
        if isinstance(document, dict) and isinstance(step, str):
            document = document[step]
            continue
        if not isinstance(document, list) or not isinstance(step, int):
            raise TypeError
        document = document[step]
    return document
