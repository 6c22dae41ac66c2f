"""What Dovecot says by itself: its clients alone work in an account, while a program takes the folders' locks for some
milliseconds at a time and changes nothing. mailboxd does not run.

`python -m tests.integration.dovecot_alone` counts the complaints that the tests of both servers at once must therefore
let pass: Dovecot, which finds a list locked, may look at a folder without the lock while another process of its own
puts a message back into it that it moved away before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.integration.dovecot import SharedSite, shared_site
from tests.integration.shared_load import COPIES, ELSEWHERE, Load, Record
from tests.integration.site import ALICE
from tests.integration.test_dovecot_live import DUPLICATE, REAPPEARED, session, sides

LOCKERS = 2
BUSY = 3
"""Processes that do nothing but compute: the machine is to be loaded."""


def main() -> None:
    """Print what Dovecot said in each round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--hold", type=float, default=0.004, help="seconds that a lock is held; 0: nobody takes locks")
    arguments = parser.parse_args()
    for number in range(arguments.rounds):
        with shared_site() as shared:
            print(f"{number}: {_round(shared, arguments.seconds, arguments.hold)}", flush=True)


def _round(shared: SharedSite, seconds: float, hold: float) -> str:
    record, complaints = Record(), list[str]()
    with shared.dovecot_runs(known=lambda line: complaints.append(line) is None):
        with session(shared.dovecot.imap) as client:
            for name in (ELSEWHERE, COPIES):
                client.do(b"CREATE " + name)
        dovecot = sides(shared)[1]
        with _others(shared.site.maildir(ALICE), seconds, hold), Load(record, (dovecot,)).running():
            time.sleep(seconds)
    reappeared = sum(REAPPEARED.search(line) is not None for line in complaints)
    duplicate = sum(DUPLICATE.search(line) is not None for line in complaints)
    return f"{record.counts['Dovecot: moved']} moved, {reappeared} reappeared, {duplicate} duplicate"


@contextmanager
def _others(maildir: Path, seconds: float, hold: float) -> Iterator[None]:
    """The programs beside Dovecot; they end by themselves."""
    processes: list[BaseProcess] = [multiprocessing.Process(target=_compute, args=(seconds,)) for _ in range(BUSY)]
    if hold:
        processes += [
            multiprocessing.Process(target=_take_locks, args=(maildir, seconds, hold, number))
            for number in range(LOCKERS)
        ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.join()


def _compute(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def _take_locks(maildir: Path, seconds: float, hold: float, number: int) -> None:
    """Take a folder's lock as Dovecot does, hold it for a moment, give it back; again and again."""
    claim, end = maildir / f"claim-{number}", time.monotonic() + seconds
    claim.write_text(f"{os.getpid()}:{socket.gethostname()}")
    while time.monotonic() < end:
        lock = random.choice([maildir, *maildir.glob(".*/")]) / "dovecot-uidlist.lock"
        try:
            lock.hardlink_to(claim)
        except OSError:
            time.sleep(0.001)
            continue
        time.sleep(hold)
        lock.unlink()
        time.sleep(hold)
    claim.unlink()


if __name__ == "__main__":
    main()
