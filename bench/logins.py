"""`python -m bench.logins [--quick] [--only SCHEME]`: logins per second, and what others feel of them.

For each scheme of stored passwords: logins per second with and without the cache of logins that succeeded. Then a
thousand logins within ten seconds, none of them cached, while another session says NOOP; and when answers to failed
logins leave, by why they failed, which nobody should be able to tell. Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from bench.login_site import SCHEMES, LoginSite, serving
from bench.servers import DOMAIN, PASSWORD
from tests.integration.ports import HOST

PARALLEL = 16
OFFERED_SECONDS = 10.0
NOOP_PAUSE = 0.005
NOOP_GOAL = 100.0
"""Milliseconds that 99 of 100 NOOPs stay under."""
TELLING = 1.0
"""Milliseconds by which the medians of failures of different kinds may differ."""


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


async def all_in(site: LoginSite, users: Iterable[str]) -> float:
    """Log in each of them, some at a time; logins per second."""
    places, began, count = asyncio.Semaphore(PARALLEL), time.perf_counter(), 0

    async def one(user: str) -> None:
        async with places:
            assert (await try_login(site, user))[0], user

    async with asyncio.TaskGroup() as group:
        for user in users:
            group.create_task(one(user))
            count += 1
    return count / (time.perf_counter() - began)


def rate(folder: Path, scheme: str, logins: int, *, cached: bool) -> float:
    """Logins per second of users who were all there before."""
    with serving(folder, scheme, cached=cached) as site:
        asyncio.run(all_in(site, site.users))
        return asyncio.run(all_in(site, (site.users[number % len(site.users)] for number in range(logins))))


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
        took: dict[str, list[float]] = {kind: [] for kind in kinds}
        order = [*kinds] * each
        random.shuffle(order)
        for kind in order:
            let_in, seconds = asyncio.run(try_login(site, kinds[kind], "wrong"))
            assert not let_in
            took[kind].append(1000 * seconds)
    return {kind: statistics.median(times) for kind, times in took.items()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.logins", description="Logins, and what others feel of them.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the logins")
    parser.add_argument("--only", default="", help="only the schemes whose names have this text in them")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    share = 10 if options.quick else 1
    schemes = [scheme for scheme in SCHEMES if options.only.upper() in scheme]
    with tempfile.TemporaryDirectory(prefix="mailboxd-logins-") as name:
        folder = Path(name)
        print("| scheme | logins/s, hashed | logins/s, cached |\n| --- | --- | --- |")
        for scheme in schemes:
            hashed = rate(folder / scheme / "hashed", scheme, 500 // share, cached=False)
            cached = rate(folder / scheme / "cached", scheme, 2000 // share, cached=True)
            print(f"| {scheme} | {hashed:.0f} | {cached:.0f} |", flush=True)
        logins = 1000 // share
        seconds, longest, noop = burst(folder / "burst", schemes[0], logins)
        print(
            f"\n{logins} logins of {schemes[0]}, offered within {OFFERED_SECONDS:.0f} s, are in after {seconds:.1f} s,"
        )
        print(f"the longest wait {longest:.1f} s; meanwhile NOOP p99 {noop:.1f} ms (goal: under {NOOP_GOAL:.0f}).")
        medians = failures(folder / "failures", schemes[0], 100 // share)
    apart = max(medians.values()) - min(medians.values())
    print(f"\nFailed logins, median ms: {', '.join(f'{kind} {took:.2f}' for kind, took in medians.items())};")
    print(f"{apart:.2f} apart (goal: under {TELLING:.0f}).")
    return int(noop >= NOOP_GOAL or apart >= TELLING)


if __name__ == "__main__":
    sys.exit(main())
