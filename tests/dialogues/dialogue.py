"""The format of a dialogue: see README.md beside this file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Client:
    """What the client sends in one turn."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Server:
    """One line that the server must say, without CRLF: `pattern` matches it wholly."""

    written: str
    pattern: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class Tls:
    """The server must have begun TLS."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The server must have closed the connection."""


Step: TypeAlias = Client | Server | Tls | Wait | Closed


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation, options for the server, and whether the client may send ahead."""

    steps: tuple[Step, ...]
    options: dict[str, str]
    glue: bool


def read(path: Path) -> Dialogue:
    """The dialogue in a file. Raises `ValueError` with the file's name and the line."""
    options: dict[str, str] = {}
    steps: list[Step] = []
    glue = True
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        word, _, rest = line.partition(" ")
        if not line or line.startswith("#"):
            continue
        if word == "NO-GLUE":
            glue = False
        elif word == "WITH":
            name, _, value = rest.partition("=")
            options[name] = value
        else:
            try:
                steps += _steps(word, rest)
            except (KeyError, ValueError, re.error) as error:
                raise ValueError(f"{path}:{number}: {error}") from error
    return Dialogue(tuple(steps), options, glue)


def _steps(word: str, rest: str) -> Iterator[Step]:
    match word:
        case "C:":
            yield Client(rest.encode() + b"\r\n")
        case "C-raw:":
            yield Client(rest.encode("latin-1").decode("unicode_escape").encode("latin-1"))
        case "C-many:":
            count, _, line = rest.partition(" ")
            for _ in range(int(count)):
                yield Client(line.encode() + b"\r\n")
        case "S:" | "S-many:":
            count, _, line = rest.partition(" ") if word == "S-many:" else ("1", "", rest)
            pattern = b"[^\r\n]*".join(map(re.escape, line.encode().split(b"<any>")))
            for _ in range(int(count)):
                yield Server(line, re.compile(pattern))
        case "S~:":
            yield Server(rest, re.compile(rest.encode()))
        case "TLS":
            yield Tls()
        case "WAIT":
            yield Wait(float(rest))
        case "CLOSED":
            yield Closed()
        case _:
            raise ValueError(f"{word} is not a word of dialogues")
