"""What is wrong with an operator's file: where, which key, what, and what was expected instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from mailbox_d.errors import TemporaryError
from mailbox_d.printable import escaped, one_line

KeyPath: TypeAlias = tuple[str | int, ...]
"""The keys and list indexes that lead to a value, such as `("tls", "certificates", 0, "key")`."""

SHOWN = 80
"""Characters of an operator's text that a fault repeats."""

_PLAIN_KEY = re.compile(rf"(?=.{{1,{SHOWN}}}\Z)[\w@+-]++(?>(?:\.[\w@+-]++)*)")


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in a file, or one thing to be warned of; ordered by place.

    `line` and `column` count from 1 (columns in characters); `key` is a `dotted` path and empty for the whole file.
    """

    file: str
    line: int
    column: int
    key: str
    problem: str
    expected: str = ""

    def __str__(self) -> str:
        text = f"{self.problem}, expected {self.expected}" if self.expected else self.problem
        place = f"{escaped(self.file)}:{self.line}:{self.column}"
        return f"{place}: {self.key}: {text}" if self.key else f"{place}: {text}"


class ConfigurationError(TemporaryError):
    """A file of the operator's cannot be used; holds every fault found, in the order of their places.

    `str()` gives a line for each. Should it ever reach a peer it is a temporary fault on our side that says nothing.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("The server's configuration is at fault", cause="; ".join(map(str, self.faults)))

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))


class Unreadable(ConfigurationError):
    """The file cannot be read at all, which may pass: nothing is known of what it says."""


def dotted(path: KeyPath) -> str:
    """A key path as people write it: `tls.certificates[0].key`; odd keys in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _PLAIN_KEY.fullmatch(step) else shown(step))
    return text


def shown(text: str) -> str:
    """An operator's text as a fault repeats it: quoted, on one line, cut when long."""
    return f'"{one_line(text, SHOWN)}"'


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word[:SHOWN].lower(), names, n=1, cutoff=0.6)
    return names[close[0]] if close else None


def unknown(what: str, word: str, known: Iterable[str]) -> tuple[str, str]:
    """The problem and what was expected where a word is none of the known ones; "did you mean" where one is close."""
    names = list(known)
    if (meant := closest(word, names)) is not None:
        return f'{what} is unknown, did you mean "{meant}"?', ""
    return f"{what} is unknown", f"one of {', '.join(names)}" if names else "nothing here"


class Refusal(ValueError):
    """A value cannot be used; the fault without its place. `problem` and `expected` as in `Fault`."""

    def __init__(self, problem: str, expected: str) -> None:
        super().__init__(f"{problem}, expected {expected}" if expected else problem)
        self.problem = problem
        self.expected = expected


class WrongKind(Refusal):
    """A value of another kind (a list where text should stand)."""

    def __init__(self, value: object, expected: str) -> None:
        super().__init__(f"this is {kind(value)}", expected)


def kind(value: object, written: str | None = None) -> str:
    """What a plain value is, in words; `written` is how a number or truth value stands in the file."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the truth value {written or str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {written or value}"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    return "a list" if isinstance(value, list) else "a mapping"
