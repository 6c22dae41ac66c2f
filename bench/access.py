"""`python -m bench.access [--quick] [--rounds N] [--only TEXT]`: how fast mail is read, beside Dovecot.

Each round starts each server in turn on fresh Maildirs (hard links to the same files, without index or UID list), so
the figures of a round are those of a mailbox that is opened for the first time, and of the same command done again.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.access_client import IMAPClient, POP3Client, Refused
from bench.access_servers import AccessServer, DovecotAccess, MailboxdAccess, make_messages
from bench.processes import cpu_seconds
from bench.servers import DOMAIN, PASSWORD

FLAGS = "UID FETCH 1:* (FLAGS)"
HEADERS = (
    "UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority "
    "X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])"
)
"""As Thunderbird looks through a mailbox."""
NOTHING = "-"
BODIES = "FETCH 1:* (BODY.PEEK[])"


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """How many messages are in a mailbox of bodies, and in one of headers; octets of the first."""

    bodies: int
    headers: int
    octets: int


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of the client's clock and of the server's CPU."""

    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to do in a user's mailbox, first and again. `amount` says how many of `unit` it is."""

    name: str
    user: str
    unit: str
    amount: Callable[[Mailboxes], float]
    do: Callable[[AccessServer, str, Mailboxes], Iterator[None]]


def measured_fetch(
    server: AccessServer, user: str, command: str, expected: int, *, tls: bool = False
) -> Iterator[None]:
    """Log in and SELECT; what is measured is from SELECT on."""
    client = IMAPClient(server.ports["imaps" if tls else "imap"], user, PASSWORD, tls=tls)
    yield
    client.command("SELECT INBOX")
    _, count = client.command(command, b" FETCH (")
    yield
    client.close()
    if count != expected:
        raise Refused(f"{count} messages where {expected} were expected")


def download(server: AccessServer, user: str, mail: Mailboxes) -> Iterator[None]:
    return measured_fetch(server, user, BODIES, mail.bodies)


def download_over_tls(server: AccessServer, user: str, mail: Mailboxes) -> Iterator[None]:
    return measured_fetch(server, user, BODIES, mail.bodies, tls=True)


def flags(server: AccessServer, user: str, mail: Mailboxes) -> Iterator[None]:
    return measured_fetch(server, user, FLAGS, mail.headers)


def headers(server: AccessServer, user: str, mail: Mailboxes) -> Iterator[None]:
    return measured_fetch(server, user, HEADERS, mail.headers)


def noops(connections: int, each: int) -> Callable[[AccessServer, str, Mailboxes], Iterator[None]]:
    """NOOP after NOOP with the mailbox selected, on all connections at a time."""

    def do(server: AccessServer, user: str, mail: Mailboxes) -> Iterator[None]:
        clients = [IMAPClient(server.ports["imap"], user, PASSWORD) for _ in range(connections)]
        for client in clients:
            client.command("SELECT INBOX")
        yield
        for _ in range(each):
            for client in clients:
                client.send_noop()
            for client in clients:
                client.await_noop()
        yield
        for client in clients:
            client.close()

    return do


def retrieve(server: AccessServer, user: str, mail: Mailboxes) -> Iterator[None]:
    """From the login on, for it is there that a POP3 server looks at the maildrop."""
    yield
    client = POP3Client(server.ports["pop3"], user, PASSWORD)
    octets = client.retrieve(mail.bodies)
    yield
    client.close()
    if octets != mail.octets:
        raise Refused(f"{octets} octets where {mail.octets} were expected")


def bodies_count(mail: Mailboxes) -> float:
    return mail.bodies


def headers_count(mail: Mailboxes) -> float:
    return mail.headers


WORKS = (
    Work("download in one FETCH", "plain", "messages/s", bodies_count, download),
    Work("download in one FETCH, TLS", "tls", "messages/s", bodies_count, download_over_tls),
    Work("UID FETCH 1:* (FLAGS)", "flags", "messages/s", headers_count, flags),
    Work("headers as Thunderbird asks", "headers", "messages/s", headers_count, headers),
    Work("NOOP, 1 connection", "noop", "commands/s", lambda mail: 2000, noops(1, 2000)),
    Work("NOOP, 20 connections", "noop", "commands/s", lambda mail: 4000, noops(20, 200)),
    Work("POP3 RETR of all", "pop3", "messages/s", bodies_count, retrieve),
)
OF_HEADERS = ("flags", "headers")
"""Users with the large mailbox."""


def time_once(server: AccessServer, work: Work, mail: Mailboxes) -> Timed | None:
    """None where the server does not serve it."""
    steps = work.do(server, f"{work.user}@{DOMAIN}", mail)
    try:
        next(steps)
        cpu, begun = cpu_seconds(server.pid), time.perf_counter()
        next(steps)
        seconds = time.perf_counter() - begun
        cpu = cpu_seconds(server.pid) - cpu
        next(steps, None)
    except (Refused, OSError) as error:
        print(f"{server.name} does not serve {work.name}: {error}", file=sys.stderr)
        return None
    print(".", end="", file=sys.stderr, flush=True)
    return Timed(seconds, cpu)


@contextmanager
def started(server: AccessServer, sources: dict[str, Path]) -> Iterator[None]:
    server.folder.mkdir()
    server.prepare(sources)
    try:
        server.start()
        yield
    finally:
        server.stop()


Results = dict[tuple[str, str, bool], list[Timed]]
"""By the server's name, the work's name, and whether it was done again."""


def play_round(server: AccessServer, works: Sequence[Work], mail: Mailboxes, results: Results) -> None:
    for work in works:
        for again in (False, True):
            if timed := time_once(server, work, mail):
                results.setdefault((server.name, work.name, again), []).append(timed)


def heading(names: Sequence[str]) -> str:
    each = [*names, "ratio"] if len(names) > 1 else [*names]
    columns = ["work", *(f"{name}, {when}" for when in ("first", "again") for name in each)]
    columns += ["CPU ratio, again"] if len(names) > 1 else []
    return f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"


def row(work: Work, names: Sequence[str], mail: Mailboxes, results: Results) -> str:
    cells = [f"{work.name} ({work.unit})"]
    amount = work.amount(mail)
    for again in (False, True):
        timed = [median(results.get((name, work.name, again), [])) for name in names]
        cells += [f"{amount / one.seconds:.0f} ({one.cpu * 1e6 / amount:.0f})" if one else NOTHING for one in timed]
        if len(names) > 1:
            ours, other = timed
            cells.append(f"{other.seconds / ours.seconds:.2f}" if ours and other else NOTHING)
    if len(names) > 1:
        cells.append(f"{ours.cpu / other.cpu:.2f}" if ours and other and other.cpu else NOTHING)
    return f"| {' | '.join(cells)} |"


def median(timed: Sequence[Timed]) -> Timed | None:
    if not timed:
        return None
    return Timed(statistics.median(one.seconds for one in timed), statistics.median(one.cpu for one in timed))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.access", description="Speed of reading, beside Dovecot.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one round")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is measured, in turn")
    parser.add_argument("--only", default="", help="only the kinds of work whose names have this text in them")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    share, rounds = (10, 1) if options.quick else (1, options.rounds)
    works = [work for work in WORKS if options.only in work.name]
    with tempfile.TemporaryDirectory(prefix="mailboxd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        octets = make_messages(folder / "bodies", 2000 // share, 20_000)
        make_messages(folder / "headers", 10_000 // share, 2_000)
        mail = Mailboxes(2000 // share, 10_000 // share, octets)
        sources = {w.user: folder / ("headers" if w.user in OF_HEADERS else "bodies") for w in works}
        kinds: list[type[AccessServer]] = [MailboxdAccess]
        if missing := DovecotAccess.missing():
            print(f"No Dovecot beside it: {missing}.\n")
        else:
            kinds.append(DovecotAccess)
        results: Results = {}
        names = []
        for number in range(rounds):
            for kind in kinds:
                server = kind(folder / f"{kind.__name__}{number}")
                with started(server, sources):
                    play_round(server, works, mail, results)
                names.append(server.name)
        print_table(works, list(dict.fromkeys(names)), mail, results)


def print_table(works: Sequence[Work], names: Sequence[str], mail: Mailboxes, results: Results) -> None:
    print(f"\n{os.cpu_count()} cores shared with the client, {platform.release()}, Python {platform.python_version()}.")
    print(f"{mail.bodies} messages of 20 kB to download, {mail.headers} of 2 kB to look through.")
    print("A cell: rate (CPU µs of the server for each). Ratios above 1 of rates, below 1 of CPU, are in our favour.\n")
    print(heading(names))
    for work in works:
        print(row(work, names, mail, results))


if __name__ == "__main__":
    main()
