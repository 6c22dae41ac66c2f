"""The kinds of work that are measured, and one measurement of one of them on one server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.load import Load, Result
from bench.processes import cpu_seconds
from bench.servers import DOMAIN, HOST, PASSWORD, SOURCE, USERS, Server

ARRIVAL_SECONDS = 120.0
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Work:
    """Messages of one size over so many connections. `unit` and `factor` say in what and how a message counts."""

    name: str
    messages: int
    connections: int
    per_connection: int
    size: int
    recipients: int = 1
    login: bool = False
    unit: str = "messages/s"
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Rates in the work's unit until the last 250 and until the last file lay in its Maildir; the latency that 99 of
    100 messages stayed under, in ms; CPU of the server, and of the load, in ms a message.
    """

    answered: float
    delivered: float
    p99: float
    cpu: float
    load_cpu: float


WORKS = (
    Work("1 connection, 2 kB, many each", 1500, 1, 0, 2_000),
    Work("1 connection at a time, 2 kB, one each", 800, 1, 1, 2_000),
    Work("20 connections, 2 kB, many each", 4000, 20, 0, 2_000),
    Work("20 connections, 2 kB, one each", 2000, 20, 1, 2_000),
    Work("1 connection, 20 kB, many each", 1000, 1, 0, 20_000),
    Work("20 connections, 20 kB, many each", 2000, 20, 0, 20_000),
    Work("20 connections, 20 kB, one each", 1500, 20, 1, 20_000),
    Work("10 MB messages, 5 connections", 40, 5, 0, 10_000_000, unit="MB/s", factor=10.0),
    Work("one message to 100 recipients", 40, 1, 0, 2_000, recipients=100, unit="copies/s", factor=100.0),
    Work("submission, STARTTLS and AUTH, 20 connections, one each", 600, 20, 1, 2_000, login=True),
    Work("submission, STARTTLS and AUTH, 20 connections, many each", 2000, 20, 0, 2_000, login=True),
)


def measure(server: Server, work: Work, share: float) -> Figures:
    """Do a share of the work's messages, and wait until all of their files are there."""
    load = load_of(server, work, max(work.connections, round(work.messages * share)))
    server.forget()
    cpu = server_cpu(server)
    result = run_load(load)
    expected = load.messages * work.recipients
    wait_for_files(server, expected)
    cpu = server_cpu(server) - cpu
    last = max(status.st_ctime_ns for status in server.delivered()) / 1e9
    return Figures(
        answered=load.messages * work.factor / result.seconds,
        delivered=load.messages * work.factor / max(last - result.started, result.seconds),
        p99=percentile(result.latencies, 0.99) * 1000,
        cpu=cpu * 1000 / load.messages,
        load_cpu=result.cpu * 1000 / load.messages,
    )


def load_of(server: Server, work: Work, messages: int) -> Load:
    addresses = [f"{user}@{DOMAIN}" for user in USERS]
    lists = [tuple(addresses[n % len(USERS)] for n in range(start, start + work.recipients)) for start in range(20)]
    return Load(
        host=HOST,
        port=server.ports["submission" if work.login else "smtp"],
        source=SOURCE,
        messages=messages,
        connections=work.connections,
        per_connection=work.per_connection,
        size=work.size,
        recipients=tuple(lists),
        user=addresses[0] if work.login else "",
        password=PASSWORD if work.login else "",
    )


def run_load(load: Load) -> Result:
    """Run the load in a process of its own. Raises `RuntimeError` with what went wrong there."""
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(
        command, input=json.dumps(asdict(load)), capture_output=True, text=True, cwd=ROOT, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the load failed: {done.stderr[-2000:]}")
    return Result(**json.loads(done.stdout))


def wait_for_files(server: Server, expected: int) -> None:
    """Return when that many files are there. Raises `RuntimeError` where they do not come, or too many did."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while (count := server.delivered_count()) < expected and time.monotonic() < deadline:
        time.sleep(0.05)
    if count != expected:
        raise RuntimeError(f"{server.name}: {count} files where {expected} were answered 250")


def server_cpu(server: Server) -> float:
    return sum(map(cpu_seconds, server.pids))


def percentile(values: tuple[float, ...], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
