"""`python -m bench.logins [--quick] [--only SCHEME] [--rounds N] [--failures N]`: logins per second, and what others
feel of them, beside a Dovecot where one is installed.

For each scheme of stored passwords, and for an OpenLDAP server: logins per second with and without the cache of logins
that succeeded. Then a thousand logins within ten seconds, none of them cached, while another session says NOOP; and
when answers to failed logins leave, by why they failed, which nobody should be able to tell. Ends with 1 where a goal
is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from bench.access_servers import DovecotAccess
from bench.login_site import LDAP, STORED, LoginSite, schemes, serving, serving_by_dovecot
from bench.processes import cpu_seconds
from bench.servers import DOMAIN, PASSWORD
from tests.integration.ports import HOST

SECONDS = 5.0
"""How long each is measured."""
PARALLEL = 16
FAILING = 2
"""Logins that fail at a time: as many as there are threads for passwords, so that none waits for another."""
LEAST_FAILURES = 20
"""Of each kind: answers leave up to 2 ms late by chance, which a median of fewer does not hide."""
OFFERED_SECONDS = 10.0
NOOP_PAUSE = 0.005
NOOP_GOAL = 100.0
"""Milliseconds that 99 of 100 NOOPs stay under."""
TELLING = 1.0
"""Milliseconds by which the medians of failures of different kinds may differ."""
LEGEND = """\
A cell: logins per second (ms of the server's CPU for each). The ratio says how many times as many we have. A Dovecot
begins a process for each session; of its processes, one checks passwords, where we have two threads for it.
"""


async def try_login(site: LoginSite, user: str, password: str = PASSWORD) -> tuple[bool, float]:
    """Whether a new connection could log in, and the seconds that the answer took."""
    reader, writer = await asyncio.open_connection(HOST, site.port)
    try:
        await reader.readline()
        began = time.perf_counter()
        writer.write(f'a LOGIN "{user}" {password}\r\n'.encode())
        while not (line := await reader.readline()).startswith(b"a "):
            if not line:
                raise ConnectionError("the server closed the connection")
        return line.startswith(b"a OK"), time.perf_counter() - began
    finally:
        writer.close()


async def all_in(site: LoginSite, users: Iterable[str], seconds: float = math.inf) -> float:
    """Log in each of them, some at a time, until so much time has passed; logins per second."""
    began, waiting, count = time.perf_counter(), iter(users), 0

    async def client() -> None:
        nonlocal count
        while time.perf_counter() - began < seconds and (user := next(waiting, None)) is not None:
            assert (await try_login(site, user))[0], user
            count += 1

    await asyncio.gather(*(client() for _ in range(PARALLEL)))
    return count / (time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Speed:
    """Logins per second, and the milliseconds of the server's CPU for each."""

    rate: float
    cost: float

    def __str__(self) -> str:
        return f"{self.rate:.0f} ({self.cost:.1f})"


def speed(server: AbstractContextManager[LoginSite], seconds: float) -> Speed:
    """Of users who have all been there before."""
    with server as site:
        asyncio.run(all_in(site, site.users))
        before, began = cpu_seconds(site.pid), time.perf_counter()
        rate = asyncio.run(all_in(site, itertools.cycle(site.users), seconds))
        logins = rate * (time.perf_counter() - began)
        return Speed(rate, 1000 * (cpu_seconds(site.pid) - before) / logins)


def median(speeds: Sequence[Speed]) -> Speed:
    return Speed(*(statistics.median(getattr(speed, name) for speed in speeds) for name in ("rate", "cost")))


def row(folder: Path, scheme: str, rounds: int, seconds: float, *, beside: bool) -> str:
    """A line of the table: each server in turn, round after round, so that both see the same machine."""
    measured: dict[str, list[Speed]] = {}
    for number in range(rounds):
        for cached in (False, True):
            place = folder / f"{scheme}-{number}-{cached}"
            ours = speed(serving(place / "mailboxd", scheme, cached=cached), seconds)
            measured.setdefault(f"ours {cached}", []).append(ours)
            if beside and scheme in STORED:
                theirs = speed(serving_by_dovecot(place / "dovecot", scheme, cached=cached), seconds)
                measured.setdefault(f"theirs {cached}", []).append(theirs)
    medians = {name: median(speeds) for name, speeds in measured.items()}
    return f"| {scheme} |" + "".join(f" {cell} |" for cached in (False, True) for cell in _cells(medians, cached))


def _cells(medians: Mapping[str, Speed], cached: bool) -> Iterator[str]:
    """Ours, Dovecot's, and how many times as many logins we have."""
    ours, theirs = medians[f"ours {cached}"], medians.get(f"theirs {cached}")
    yield str(ours)
    yield "" if theirs is None else str(theirs)
    yield "" if theirs is None else f"{ours.rate / theirs.rate:.2f}"


async def offer(site: LoginSite, logins: int) -> tuple[float, float]:
    """Offer so many at an even rate, however long they take; seconds until the last was in, and the longest wait."""
    began, waits = time.perf_counter(), []

    async def one(number: int) -> None:
        await asyncio.sleep(number * OFFERED_SECONDS / logins)
        came = time.perf_counter()
        assert (await try_login(site, site.users[number % len(site.users)]))[0]
        waits.append(time.perf_counter() - came)

    async with asyncio.TaskGroup() as group:
        for number in range(logins):
            group.create_task(one(number))
    return time.perf_counter() - began, max(waits)


def say_noop(port: int, user: str, orders: Connection) -> None:
    """Log in, then say NOOP until told to stop; what each took, in seconds, is the answer. A process of its own."""

    async def session() -> list[float]:
        reader, writer = await asyncio.open_connection(HOST, port)
        await reader.readline()
        writer.write(f"a LOGIN {user} {PASSWORD}\r\n".encode())
        while not (await reader.readline()).startswith(b"a OK"):
            pass
        orders.send("ready")
        took: list[float] = []
        while not orders.poll():
            began = time.perf_counter()
            writer.write(b"n NOOP\r\n")
            while not (await reader.readline()).startswith(b"n OK"):
                pass
            took.append(time.perf_counter() - began)
            await asyncio.sleep(NOOP_PAUSE)
        return took

    orders.send(asyncio.run(session()))


def burst(folder: Path, scheme: str, logins: int) -> tuple[float, float, float]:
    """`offer`'s figures, and the milliseconds that 99 of 100 NOOPs of another session stayed under meanwhile."""
    with serving(folder, scheme, cached=False) as site:
        asyncio.run(all_in(site, site.users))
        ours, theirs = multiprocessing.Pipe()
        other = multiprocessing.Process(target=say_noop, args=(site.port, site.users[0], theirs))
        other.start()
        assert ours.recv() == "ready"
        try:
            seconds, longest = asyncio.run(offer(site, logins))
        finally:
            ours.send("stop")
        noops = ours.recv()
        other.join()
    return seconds, longest, 1000 * percentile(noops, 0.99)


def percentile(values: Sequence[float], share: float) -> float:
    """What that share of the values is not above."""
    ranked = sorted(values)
    return ranked[max(0, min(len(ranked) - 1, round(share * len(ranked)) - 1))]


def failures(folder: Path, scheme: str, each: int) -> dict[str, float]:
    """Milliseconds of the median answer to failed logins, by why they failed; in random order."""
    with serving(folder, scheme, cached=False) as site:
        kinds = {
            "wrong password": site.users[0],
            "unknown user": f"nobody@{DOMAIN}",
            "disabled user": f"disabled@{DOMAIN}",
            "unknown domain": "user0@elsewhere.example",
            "no address": "nobody at all",
        }
        order = [*kinds] * each
        random.shuffle(order)
        took = asyncio.run(_fail(site, [(kind, kinds[kind]) for kind in order]))
    return {kind: statistics.median(times) for kind, times in took.items()}


async def _fail(site: LoginSite, tries: Iterable[tuple[str, str]]) -> dict[str, list[float]]:
    """Milliseconds of each answer, by kind."""
    took: dict[str, list[float]] = {}
    waiting = iter(tries)

    async def client() -> None:
        for kind, user in waiting:
            let_in, seconds = await try_login(site, user, "wrong")
            assert not let_in
            took.setdefault(kind, []).append(1000 * seconds)

    await asyncio.gather(*(client() for _ in range(FAILING)))
    return took


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.logins", description="Logins, and what others feel of them.")
    parser.add_argument("--quick", action="store_true", help="a short time, and a tenth of the logins")
    parser.add_argument("--only", default="", help="only the schemes whose names have this text in them")
    parser.add_argument("--rounds", type=int, default=1, help="how often each server is measured, in turn")
    parser.add_argument("--failures", type=int, default=500, help="how many logins fail, of all kinds together")
    return parser.parse_args()


def tell_speed(folder: Path, chosen: Sequence[str], rounds: int, seconds: float) -> None:
    missing = DovecotAccess.missing()
    print(f"No Dovecot beside it: {missing}.\n" if missing else LEGEND)
    columns = (
        "scheme",
        *(f"{what}, {how}" for how in ("uncached", "cached") for what in ("logins/s", "Dovecot", "ratio")),
    )
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for scheme in chosen:
        print(row(folder, scheme, rounds, seconds, beside=not missing), flush=True)


def tell_burst(folder: Path, scheme: str, logins: int) -> bool:
    """Whether the goal is met."""
    seconds, longest, noop = burst(folder, scheme, logins)
    print(f"\n{logins} logins of {scheme}, offered within {OFFERED_SECONDS:.0f} s, are in after {seconds:.1f} s,")
    print(
        f"the longest wait {longest:.1f} s; meanwhile NOOP p99 {noop:.1f} ms (goal: under {NOOP_GOAL:.0f}).", flush=True
    )
    return noop < NOOP_GOAL


def tell_failures(folder: Path, scheme: str, each: int) -> bool:
    """Whether the goal is met."""
    medians = failures(folder, scheme, each)
    apart = max(medians.values()) - min(medians.values())
    said = ", ".join(f"{kind} {took:.2f}" for kind, took in sorted(medians.items()))
    print(f"\nFailed logins of {scheme}, {each} of each kind, median ms: {said};")
    print(f"{apart:.2f} apart (goal: under {TELLING:.0f}).", flush=True)
    return apart < TELLING


def main() -> int:
    options = arguments()
    share = 0.1 if options.quick else 1.0
    chosen = [scheme for scheme in schemes() if options.only.upper() in scheme]
    slow = [scheme for scheme in chosen if scheme in ("ARGON2ID", LDAP)] or chosen[:1]
    each = max(LEAST_FAILURES, round(options.failures * share / 5 / len(slow)))
    with tempfile.TemporaryDirectory(prefix="mailboxd-logins-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        tell_speed(folder, chosen, options.rounds, max(1, SECONDS * share))
        met = [tell_burst(folder / f"burst-{scheme}", scheme, round(1000 * share)) for scheme in slow]
        met += [tell_failures(folder / f"failures-{scheme}", scheme, each) for scheme in slow]
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
