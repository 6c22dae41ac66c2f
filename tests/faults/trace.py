"""Reads what `strace -f -yy` wrote: system calls with the moments at which each began and ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CALLS = "fsync,fdatasync,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,sendto,sendmsg,write,writev"
PREFIX = ("strace", "-D", "-f", "-yy", "-s", "64", "-e", f"trace={CALLS}", "-e", "signal=none", "-o")
"""The daemon stays the direct child (-D), so that signals reach it and not the tracer. The output's path follows."""

_WHOLE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+).*")
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*?)(?: )?<unfinished \.\.\.>")
_ENDED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+).*")
_DESCRIPTOR = re.compile(r"\d+<(.*?)>(?=,|$|\))")
_PATH = re.compile(r'(?:(?:\d+|AT_FDCWD)<(?P<folder>[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that succeeded. `begun` and `ended` are line numbers of the trace: the order of events."""

    begun: int
    ended: int
    name: str
    arguments: str

    @property
    def descriptor(self) -> str:
        """What the first argument, a file descriptor, is open on: a path, or `TCP:[here->there]`."""
        found = _DESCRIPTOR.match(self.arguments)
        return found[1] if found else ""

    @property
    def paths(self) -> list[str]:
        """The path arguments, made absolute by the folder descriptors before them."""
        return [str(Path(found["folder"] or "/", found["path"])) for found in _PATH.finditer(self.arguments)]

    @property
    def peer_port(self) -> int:
        """The peer's TCP port of a send; 0 where the descriptor is no TCP connection."""
        found = re.search(r"->[^\]]*:(\d+)\]", self.descriptor)
        return int(found[1]) if found else 0


def read_trace(path: Path) -> list[Call]:
    """The calls that succeeded, in the order in which they ended."""
    return list(_calls(path.read_text(errors="replace").splitlines()))


def _calls(lines: list[str]) -> Iterator[Call]:
    open_calls: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        if begun := _BEGUN.fullmatch(line):
            open_calls[begun[1]] = (number, begun[3])
        elif (ended := _ENDED.fullmatch(line)) and ended[1] in open_calls:
            start, arguments = open_calls.pop(ended[1])
            if int(ended[4]) >= 0:
                yield Call(start, number, ended[2], arguments + ended[3])
        elif (whole := _WHOLE.fullmatch(line)) and int(whole[4]) >= 0:
            yield Call(number, number, whole[2], whole[3])
