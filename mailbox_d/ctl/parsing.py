"""What the commands of `mailboxctl` share on their command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from mailbox_d.control.telling import USAGE
from mailbox_d.tap import DEFAULT_CONFIGURATION

if TYPE_CHECKING:
    Subjects: TypeAlias = argparse._SubParsersAction["CommandParser"]


class CommandParser(argparse.ArgumentParser):
    """Says in one line what is wrong, and where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}\nTry: {self.prog} --help\n")


class Verbatim(argparse.HelpFormatter):
    """Fills the description, and leaves the examples as they stand."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:") else super()._fill_text(text, width, indent)


@dataclass(frozen=True, slots=True)
class VerbHelp:
    """What is said of a verb: in a line, in full, and by examples (what stands behind the verb, and what it does)."""

    line: str
    text: str
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A command that is done here and not by the daemon: `work` with what was typed, which gives the exit status."""

    work: Callable[[argparse.Namespace], int]
    given: argparse.Namespace

    def run(self) -> int:
        return self.work(self.given)


def add_configuration(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Options that may stand anywhere in every command; `again`: they have been given their defaults before."""
    unset = argparse.SUPPRESS
    parser.add_argument(
        "--config",
        "-c",
        type=Path,
        metavar="FILE",
        default=unset if again else Path(DEFAULT_CONFIGURATION),
        help=f"the configuration (default: {DEFAULT_CONFIGURATION})",
    )
    parser.add_argument("--json", action="store_true", default=unset if again else False, help="answers as JSON lines")


def add_general(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Options that may stand anywhere; `again`: they have been given their defaults before."""
    unset = argparse.SUPPRESS
    add_configuration(parser, again=again)
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        default=unset if again else None,
        help="the daemon's control socket (default: as configured); the configuration is not read then",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        default=unset if again else False,
        help="do not ask the daemon; what changes mail is refused while one runs",
    )
