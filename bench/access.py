"""`python -m bench.access [--quick] [--rounds N] [--only TEXT] [--json FILE]`: how fast mail is read, beside Dovecot.

Each work is done by each server in turn, round after round, so that both see the same machine. For each time the server
is started anew, on fresh Maildirs (links to the same files, with a list of UIDs and without any index): "first" is what
the first session after that sees, "again" what another one sees then. Ends with 1 where our server could not do a work,
or where its reactor was held up for more than 50 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.access_client import Refused
from bench.access_corpus import Corpus, make_corpus, many_of
from bench.access_servers import AccessServer, DovecotAccess, MailboxdAccess
from bench.access_stage import Stage
from bench.access_table import Results, lines, table
from bench.access_works import WORKS, Row, Work
from bench.idle import raise_descriptor_limit

QUICK_SHARE = 0.1
LEGEND = """\
A cell: figure (µs of the server's CPU for each). The ratio says how many times better we are, the CPU ratio how much of
Dovecot's CPU we take. Stalls: how often our reactor was held up for more than 50 ms, in all rounds, the time left out
that it waited for a processor.
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.access", description="Speed of reading, beside Dovecot.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one round")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is measured, in turn")
    parser.add_argument("--only", default="", help="only the kinds of work whose names have this text in them")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser.parse_args()


def make_mail(folder: Path, share: float) -> dict[str, Corpus]:
    letters = make_corpus(folder / "letters", round(10_000 * share), attached=0.12)
    return {
        "letters": letters,
        "many": many_of(letters, folder / "many", 5),
        "bodies": make_corpus(folder / "bodies", round(2000 * share), attached=0.5),
        "few": make_corpus(folder / "few", 20, attached=0),
        "folders": make_corpus(folder / "folders", 20, attached=0, folders=round(2000 * share)),
    }


def chosen_servers() -> list[type[AccessServer]]:
    if missing := DovecotAccess.missing():
        print(f"No Dovecot beside it: {missing}.\n")
        return [MailboxdAccess]
    return [MailboxdAccess, DovecotAccess]


@contextmanager
def started(server: AccessServer, users: Sequence[str], mail: Corpus) -> Iterator[None]:
    server.folder.mkdir()
    try:
        server.start(users, mail)
        yield
    finally:
        server.stop()


def play(server: AccessServer, work: Work, mail: Corpus, share: float, results: Results) -> None:
    """Do the work on a server that is started for it."""
    users = tuple(f"user{number}" for number in range(work.accounts))
    in_rows: list[float] = []
    try:
        with started(server, users, mail):
            for row, figure in zip(work.rows, work.do(Stage(server, users, mail, share)), strict=True):
                results.add(row, server.name, figure)
                in_rows += figure.stalls
        results.starved += server.starved()
        results.add_between(work.rows[0], (Counter(server.stalls_until_stop()) - Counter(in_rows)).elements())
    except (Refused, OSError, RuntimeError) as error:
        results.failures.append(f"{server.name} does not serve {work.rows[0].name}: {error}")
    shutil.rmtree(server.folder)


def play_all(works: Sequence[Work], rounds: int, share: float) -> Results:
    results, kinds = Results(), chosen_servers()
    runs = [(work, kind) for work in works for _ in range(rounds) for kind in kinds]
    with tempfile.TemporaryDirectory(prefix="mailboxd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        mail = make_mail(folder, share)
        for number, (work, kind) in enumerate(runs, 1):
            begun = time.monotonic()
            play(kind(folder / "server"), work, mail[work.mail], share, results)
            told = f"[{number}/{len(runs)}] {kind.name}: {work.rows[0].name}, {time.monotonic() - begun:.1f} s"
            print(told, file=sys.stderr, flush=True)
    return results


def machine() -> str:
    return f"{os.cpu_count()} cores shared with the client, {platform.release()}, Python {platform.python_version()}"


def report(rows: Sequence[Row], results: Results, rounds: int, share: float) -> str:
    """What is read by people."""
    short = "" if share == 1 else f" A short run: {share:.0%} of the messages that the rows name."
    unmet = [line for line in lines(rows, results) if line.met is False]
    return "\n".join(
        [
            f"\n{machine()}; medians of {rounds}.{short}",
            LEGEND,
            table(rows, results),
            "",
            f"{len(unmet)} goals are not met.",
            f"The reactor was held up {results.stalls_in_all()} times.",
            f"{len(results.starved)} times it had no processor, for {max(results.starved, default=0):.3f} s at most.",
            *(f"- {late * 1000:.0f} ms beside {row.name}" for row, late in results.between),
            *results.failures,
        ]
    )


def main() -> int:
    options = arguments()
    share, rounds = (QUICK_SHARE, 1) if options.quick else (1.0, options.rounds)
    works = [work for work in WORKS if any(options.only in row.name for row in work.rows)]
    rows = [row for work in works for row in work.rows]
    raise_descriptor_limit()
    results = play_all(works, rounds, share)
    print(report(rows, results, rounds, share))
    if options.json:
        values = {"machine": machine(), "rounds": rounds, "share": share, "failures": results.failures}
        values |= {
            "stalls": results.stalls_in_all(),
            "starved": results.starved,
            "rows": [line.values() for line in lines(rows, results)],
        }
        options.json.write_text(json.dumps(values, indent=1) + "\n")
    return 1 if results.stalls_in_all() or results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
