"""`python -m bench [--quick] [--rounds N] [--only TEXT] [--no-postfix]`: print the table."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

from bench.idle import Idle, measure_idle, raise_descriptor_limit
from bench.servers import Mailboxd, Postfix, Server
from bench.work import WORKS, Figures, Work, measure

QUICK_SHARE = 0.1
IDLE_CONNECTIONS = 1000
WARM_UP = (Work("warm-up", 200, 20, 0, 2_000), Work("warm-up of logins", 5, 1, 1, 2_000, login=True))
NOTHING = "-"
AIM = "The aim beside Postfix: at least 1.20 of its delivered messages a second, at most 0.60 of its CPU a message."


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed and memory, beside Postfix.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one round")
    parser.add_argument("--rounds", type=int, default=3, help="how often each work is measured on each server")
    parser.add_argument("--only", default="", help="only the kinds of work whose names have this text in them")
    parser.add_argument("--no-postfix", action="store_true", help="leave Postfix out")
    parser.add_argument("--profile", type=Path, help="write mailboxd's cProfile statistics to this file")
    return parser.parse_args()


def chosen_servers(folder: Path, options: argparse.Namespace) -> list[Server]:
    servers: list[Server] = [Mailboxd(folder / "mailboxd", options.profile)]
    if missing := "it was left out" if options.no_postfix else Postfix.missing():
        print(f"No Postfix beside it: {missing}.\n")
        return servers
    return [*servers, Postfix(folder / "postfix", "1s"), Postfix(folder / "postfix0", "0")]


@contextmanager
def started(servers: Sequence[Server]) -> Iterator[None]:
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
        yield


def all_rounds(servers: Sequence[Server], work: Work, rounds: int, share: float) -> dict[str, Figures]:
    """Each server in turn, round after round, so that all see the same machine; medians by server."""
    able = [server for server in servers if server.can_login or not work.login]
    measured: dict[str, list[Figures]] = {server.name: [] for server in able}
    for _ in range(rounds):
        for server in able:
            measured[server.name].append(measure(server, work, share))
            print(".", end="", file=sys.stderr, flush=True)
    return {name: median(figures) for name, figures in measured.items()}


def median(figures: Sequence[Figures]) -> Figures:
    return Figures(*(statistics.median(getattr(one, field.name) for one in figures) for field in fields(Figures)))


def heading(names: Sequence[str]) -> str:
    columns = ["work", *names, *(f"delivered / {name}" for name in names[1:]), *(f"CPU / {name}" for name in names[1:])]
    return f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"


def row(work: Work, names: Sequence[str], figures: dict[str, Figures]) -> str:
    cells = [cell(figures[name]) if name in figures else NOTHING for name in names]
    ours, others = figures[names[0]], [figures.get(name) for name in names[1:]]
    cells += [f"{ours.delivered / other.delivered:.2f}" if other else NOTHING for other in others]
    cells += [f"{ours.cpu / other.cpu:.2f}" if other and other.cpu else NOTHING for other in others]
    unit = "" if work.unit == "messages/s" else f", {work.unit}"
    return f"| {work.name}{unit} | {' | '.join(cells)} |"


def cell(figures: Figures) -> str:
    return f"{figures.answered:.0f}/{figures.delivered:.0f} ({figures.p99:.1f}; {figures.cpu:.2f})"


def idle_line(server: Server, idle: Idle) -> str:
    each = (idle.after - idle.before) / max(1, idle.greeted)
    return (
        f"- {server.name}: {idle.greeted} of {idle.opened} greeted; {idle.before / 1024:.0f} MB before, "
        f"{idle.after / 1024:.0f} MB with them, {each:.1f} kB each"
    )


def durable_files_per_second(folder: Path, count: int = 300) -> float:
    """What the disk gives one thread: a 2 kB file written, fsynced, renamed, and its directory fsynced."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    begun = time.perf_counter()
    for number in range(count):
        fresh = folder / f"fresh{number}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"x" * 2000)
        os.fsync(descriptor)
        os.close(descriptor)
        fresh.rename(folder / f"kept{number}")
        os.fsync(place)
    os.close(place)
    return count / (time.perf_counter() - begun)


def introduction(folder: Path, servers: Sequence[Server]) -> str:
    disk = folder / "disk"
    disk.mkdir()
    return "\n".join(
        [
            f"{os.cpu_count()} cores shared with the load, {platform.release()}, Python {platform.python_version()}, "
            f"Twisted {version('twisted')}.",
            f"One thread makes {durable_files_per_second(disk):.0f} durable 2 kB files a second.",
            "A cell: rate until the last 250 / until the last file is in its Maildir (p99 in ms; CPU ms a message).",
            "Behind each 250:",
            *(f"- {server.name}: {server.behind_250}" for server in servers),
            AIM,
            "",
        ]
    )


def main() -> None:
    options = arguments()
    share, rounds = (QUICK_SHARE, 1) if options.quick else (1.0, options.rounds)
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix="mailboxd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        servers = chosen_servers(folder, options)
        names = [server.name for server in servers]
        print(introduction(folder, servers))
        with started(servers):
            print_tables(servers, names, rounds, share, options.only)


def print_tables(servers: Sequence[Server], names: Sequence[str], rounds: int, share: float, only: str) -> None:
    idle = [] if only else [(server, measure_idle(server, IDLE_CONNECTIONS)) for server in servers]
    for server in servers:
        for work in WARM_UP:
            if server.can_login or not work.login:
                measure(server, work, 1.0)
    print(heading(names))
    for work in WORKS:
        if only in work.name:
            print(row(work, names, all_rounds(servers, work, rounds, share)), flush=True)
    if idle:
        print(
            f"\nMemory (PSS of all processes) of {IDLE_CONNECTIONS} SMTP connections, greeted and idle, at the start:"
        )
        print("\n".join(idle_line(server, measured) for server, measured in idle))


if __name__ == "__main__":
    main()
