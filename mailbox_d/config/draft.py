"""What can be used of a document, so that checks across keys also run where single values are wrong.

A wrong value is left out, and so is what cannot be without it; a required section gives way to a stand-in. `broken`
keeps what was left out: no check may draw a conclusion from something missing there.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mailbox_d.address import canonical_domain
from mailbox_d.config.explain import error_path, explain
from mailbox_d.config.faults import Fault, KeyPath
from mailbox_d.config.model import Configuration
from mailbox_d.config.source import Document
from mailbox_d.errors import AddressError

T = TypeVar("T")

_STAND_INS: Mapping[str, Any] = {
    "hostname": "localhost",
    "storage": {"maildirs": "maildirs", "state": "state"},
    "listeners": {},
    "realms": {},
    "domains": {},
}

_ROUNDS = 8
"""More than the levels that one missing value can take with it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A document read by the model: what stands of it, what is broken, and why."""

    document: Document
    configuration: Configuration
    broken: frozenset[KeyPath]
    faults: tuple[Fault, ...]

    def sound(self, *path: str | int) -> bool:
        """Whether nothing was left out at a path, above it or below it."""
        return not any(each[: len(path)] == path[: len(each)] for each in self.broken)

    def items(self, path: KeyPath, values: Sequence[T]) -> Iterator[tuple[KeyPath, T]]:
        """A list's values with their paths in the document, where others may stand between them."""
        left_out = {each[len(path)] for each in self.broken if each[: len(path)] == path and len(each) > len(path)}
        places = (index for index in range(len(values) + len(left_out)) if index not in left_out)
        for index, value in zip(places, values, strict=False):
            yield (*path, index), value

    def keys(self, section: str) -> Iterator[str]:
        """The keys of a top-level mapping as they are written, broken ones among them."""
        value = self.document.value.get(section) if isinstance(self.document.value, dict) else None
        yield from value if isinstance(value, dict) else ()

    def canonical_domains(self) -> Iterator[tuple[str, str]]:
        """The domains as they are written and as they are known; what is no domain is told elsewhere."""
        for written in self.keys("domains"):
            try:
                yield written, canonical_domain(written)
            except (AddressError, UnicodeError):
                continue


def read_draft(document: Document, folder: Path) -> Draft | tuple[Fault, ...]:
    """Hold a document against the model; only the faults where nothing of it can be used."""
    value: Any = copy.deepcopy(document.value)
    faults: list[Fault] | None = None
    broken: set[KeyPath] = set()
    for _ in range(_ROUNDS):
        try:
            configuration = Configuration.model_validate(value, context={"folder": folder})
        except ValidationError as error:
            details = error.errors(include_url=False)
            faults = explain(document, error, Configuration) if faults is None else faults
            broken |= _leave_out(value, details)
        else:
            return Draft(document, configuration, frozenset(broken), tuple(faults or ()))
    return tuple(faults or ())


def _leave_out(value: Any, details: Sequence[ErrorDetails]) -> set[KeyPath]:
    """Take wrong values out, and give stand-ins for sections that are missing; the paths of both."""
    removed = {_removable(detail) for detail in details}
    for path in sorted(removed, key=_order, reverse=True):
        with contextlib.suppress(KeyError, IndexError, TypeError):
            if len(path) == 1 and path[0] in _STAND_INS:
                value[path[0]] = copy.deepcopy(_STAND_INS[str(path[0])])
            else:
                _delete(value, path)
    return removed


def _removable(detail: ErrorDetails) -> KeyPath:
    """What goes with an error: the value, its section where it is missing, always the whole item of a list.

    Items go whole and in one round, so that those left can still be found by counting.
    """
    path = error_path(detail)
    if detail["type"] == "missing" and len(path) > 1:
        path = path[:-1]
    first_index = next((place for place, step in enumerate(path) if isinstance(step, int)), len(path))
    return path[: first_index + 1]


def _order(path: KeyPath) -> tuple[tuple[bool, int, str], ...]:
    return tuple((isinstance(step, int), step if isinstance(step, int) else 0, str(step)) for step in path)


def _delete(value: Any, path: KeyPath) -> None:
    for step in path[:-1]:
        value = value[step]
    del value[path[-1]]
