"""`python -m bench.relay [--messages N] [--rounds N] [--signed] [--only-ours]`: relaying, beside Postfix.

Both servers take messages from a user who has logged in, and send them on to a sink. Postfix is told the sink as its
relayhost; mailboxd finds it by MX for twenty domains, over a DNS server that is part of the bench.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.load import Load
from bench.processes import pss_kilobytes
from bench.servers import DOMAIN, HOST, START_SECONDS, Mailboxd, Postfix, Server, end
from bench.work import Work, load_of, run_load, server_cpu
from tests.integration.fake_dns import serving
from tests.integration.ports import free_ports

ARRIVAL_SECONDS = 300.0
AIM = 1.2
ELSEWHERE = tuple(f"site{number}.example" for number in range(20))
WORK = Work("relaying, 2 kB, 20 connections", 2000, 20, 0, 2_000, login=True)
_COUNTED = re.compile(r"mesg=(\d+)")

OURS = """\
queue:
  resolver: "{resolver}"
  port: {sink}
  allowed_addresses: [127.0.0.0/8]
"""
THEIRS = """\
relayhost = [127.0.0.1]:{sink}
smtp_tls_security_level = none
"""


class Sink:
    """A server that takes everything and keeps nothing (Postfix's smtp-sink), and counts."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self._said = folder / f"sink-{self.port}"
        with self._said.open("wb") as said:
            command = ["smtp-sink", "-u", "nobody", "-c", f"{HOST}:{self.port}", "1000"]
            self._process = subprocess.Popen(command, stdout=said, stderr=said)

    def count(self) -> int:
        """How many messages came so far."""
        found = _COUNTED.findall(self._said.read_text()[-200:])
        return int(found[-1]) if found else 0

    def stop(self) -> None:
        end(self._process)


@dataclass(frozen=True, slots=True)
class Relayed:
    """Messages a second, until the last 250 and until the sink has them all; ms of CPU a message; messages a second for
    one core of CPU; the server's memory behind it, in kB."""

    answered: float
    relayed: float
    cpu: float
    per_core: float
    memory: float


def main() -> None:
    options = _arguments()
    with tempfile.TemporaryDirectory(prefix="mailboxd-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        sides = [(server, sink) for server, sink in _sides(folder, stack, options)]
        figures: dict[str, list[Relayed]] = {server.name: [] for server, _ in sides}
        for server, sink in sides:
            _measure(server, sink, replace(WORK, messages=100))
        for _ in range(options.rounds):
            for server, sink in sides:
                figures[server.name].append(_measure(server, sink, replace(WORK, messages=options.messages)))
        _print(figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.relay", description="Relaying, beside Postfix.")
    parser.add_argument("--messages", type=int, default=WORK.messages)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--signed", action="store_true", help="mailboxd signs, by RSA and Ed25519")
    parser.add_argument("--only-ours", action="store_true", help="leave Postfix out")
    parser.add_argument("--profile", type=Path, help="write mailboxd's cProfile statistics to this file")
    return parser.parse_args()


def _sides(folder: Path, stack: ExitStack, options: argparse.Namespace) -> Iterator[tuple[Server, Sink]]:
    """Each server, started, with a sink of its own."""
    sinks = [Sink(folder), Sink(folder)]
    for sink in sinks:
        stack.callback(sink.stop)
    records = "".join(f"{domain} MX 10 mx.example\n" for domain in ELSEWHERE) + "mx.example A 127.0.0.1\n"
    dns = stack.enter_context(serving(records))
    settings = OURS.format(resolver=dns.address, sink=sinks[0].port)
    ours = Mailboxd(folder / "mailboxd", options.profile, settings)
    yield stack.enter_context(_started(ours, signed=options.signed)), sinks[0]
    if options.only_ours or (missing := Postfix.missing()):
        print("No Postfix beside it: " + ("it was left out" if options.only_ours else missing))
        return
    theirs = Postfix(folder / "postfix0", "0", THEIRS.format(sink=sinks[1].port))
    yield stack.enter_context(_started(theirs)), sinks[1]


@contextmanager
def _started(server: Server, *, signed: bool = False) -> Iterator[Server]:
    try:
        server.start()
        if signed:
            _make_keys(server.folder)
        yield server
    finally:
        server.stop()


def _make_keys(folder: Path) -> None:
    configuration = str(folder / "mailboxd.yaml")
    command = [sys.executable, "-m", "mailbox_d.ctl", "--config", configuration, "dkim", "keygen", DOMAIN, "--activate"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=START_SECONDS)


def _measure(server: Server, sink: Sink, work: Work) -> Relayed:
    before, cpu = sink.count(), server_cpu(server)
    result = run_load(_load(server, work))
    _wait(sink, before + work.messages)
    seconds = time.time() - result.started
    used = server_cpu(server) - cpu
    memory = sum(map(pss_kilobytes, server.pids))
    return Relayed(
        answered=work.messages / result.seconds,
        relayed=work.messages / seconds,
        cpu=used * 1000 / work.messages,
        per_core=work.messages / used,
        memory=float(memory),
    )


def _load(server: Server, work: Work) -> Load:
    lists = tuple((f"somebody@{domain}",) for domain in ELSEWHERE)
    return replace(load_of(server, work, work.messages), recipients=lists)


def _wait(sink: Sink, expected: int) -> None:
    """Return when that many messages came. Raises `RuntimeError` where they do not, or too many do."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while (count := sink.count()) < expected and time.monotonic() < deadline:
        time.sleep(0.005)
    if count != expected:
        raise RuntimeError(f"{count} messages came where {expected} were answered 250")


def _print(figures: dict[str, Sequence[Relayed]] | dict[str, list[Relayed]]) -> None:
    medians = {name: _median(measured) for name, measured in figures.items() if measured}
    print(f"{os.cpu_count()} cores shared with load and sink. Messages a second, medians:")
    for name, each in medians.items():
        print(
            f"- {name}: {each.relayed:.0f} relayed ({each.answered:.0f} answered), {each.cpu:.2f} ms of CPU each, "
            f"{each.per_core:.0f} per core, {each.memory / 1024:.0f} MB"
        )
    ours, *others = medians.values()
    for other in others:
        print(f"relayed, ratio {ours.relayed / other.relayed:.2f} (aim {AIM}); CPU ratio {ours.cpu / other.cpu:.2f}")


def _median(measured: Sequence[Relayed]) -> Relayed:
    fields = ("answered", "relayed", "cpu", "per_core", "memory")
    return Relayed(*(statistics.median(getattr(each, name) for each in measured) for name in fields))


if __name__ == "__main__":
    main()
