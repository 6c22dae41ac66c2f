"""`mailboxctl` beside a running daemon and without one, and the control socket as strangers meet it."""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import random
import re
import shutil
import signal
import smtplib
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon import Daemon, running
from tests.integration.mail import ALL_MAIL
from tests.integration.programs import require
from tests.integration.reading import checked, mailbox
from tests.integration.site import ALICE, BOB, Site, make_site

SECONDS = 60.0
NOBODY = 65534
VERIFY = b'{"verb": "verify"}\n'
FINE, FINDINGS, USAGE, TROUBLE = range(4)

STRANGER = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
print(connection.makefile("rb").readline().decode())
"""


def control_socket(site: Site) -> Path:
    return site.folder / "state/control.sock"


def ctl(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mailbox_d.ctl", "--config", str(site.configuration), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def answers(site: Site, *arguments: str) -> list[dict[str, Any]]:
    """What it says in JSON, `end` last."""
    return [json.loads(line) for line in ctl(site, "--json", *arguments).stdout.splitlines()]


def connected(site: Site) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(SECONDS)
    connection.connect(str(control_socket(site)))
    return connection


def await_true(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.02)


def fill(site: Site, count: int) -> None:
    for part in ("cur", "new", "tmp"):
        (site.maildir(BOB) / part).mkdir(parents=True)
    new = site.maildir(BOB) / "new"
    site.maildir(BOB).chmod(0o700)
    for number in range(count):
        text = f"Subject: number {number}\nFrom: alice@example.org\n\nHello {number}\n"
        (new / f"17000{number:05}.M1P1.elsewhere").write_text(text)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site")


def plant(site: Site) -> Path:
    """A message whose name tells a wrong size."""
    for part in ("cur", "new", "tmp"):
        (site.maildir(BOB) / part).mkdir(parents=True)
    site.maildir(BOB).chmod(0o700)
    path = site.maildir(BOB) / "cur" / "1700000000.M1P1.host,S=3,W=4:2,S"
    path.write_text("Subject: x\n\nof some lines\n")
    return path


def test_the_same_is_found_and_repaired_through_the_daemon_and_without_one(site: Site) -> None:
    path = plant(site)
    with running(site):
        said = ctl(site, "store", "verify", "--all")
        assert said.returncode == FINDINGS
        assert "wrong-size" in said.stdout and str(path) in said.stdout
        assert "through the running daemon: 2 findings" in said.stderr
        refused = ctl(site, "store", "repair", "--all", "--offline")
        assert refused.returncode == TROUBLE and "holds" in refused.stderr and path.exists()
    offline = ctl(site, "store", "verify", "--all")
    assert (offline.returncode, offline.stdout) == (FINDINGS, said.stdout)
    assert "offline: 2 findings" in offline.stderr
    repaired = ctl(site, "store", "repair", BOB)
    assert repaired.returncode == FINE and "gave it a name with its true sizes" in repaired.stdout
    again = ctl(site, "store", "repair", BOB)
    assert (again.returncode, again.stdout) == (FINE, "")
    assert again.stderr == "repair, offline: nothing is wrong\n"
    with running(site), mailbox(site, BOB) as client:
        assert b"of some lines" in checked(client.fetch("1", "BODY[]"))[0][1]  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to do"),
        (("store",), "say what to do"),
        (("store", "verify"), "name a user, or say --all"),
        (("store", "verify", BOB, "--all"), "name a user, or say --all"),
        (("store", "verify", "--all", "--mailbox", "INBOX"), "--mailbox goes with a user"),
        (("store", "verify", "nobody@example.org"), "There is no such account: nobody@example.org"),
        (("store", "verify", "../../etc"), "An address is written local@domain"),
        (("store", "burn", "--all"), "invalid choice"),
        (("store", "release", "--all", "--wait", "soon"), "is no number of seconds"),
        (("--config", "/nowhere", "store", "verify", "--all"), "/nowhere"),
    ],
)
def test_what_cannot_be_understood_is_said_in_a_line_or_two(site: Site, arguments: tuple[str, ...], said: str) -> None:
    (site.folder / "maildirs").mkdir()
    refused = ctl(site, *arguments)
    assert refused.returncode == USAGE, refused.stderr
    assert said in refused.stderr and "Traceback" not in refused.stderr


def test_the_socket_is_shut_to_others_and_a_stale_one_is_replaced(site: Site) -> None:
    fill(site, 1)
    daemon = Daemon(site)
    daemon.start()
    status = control_socket(site).stat()
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o660
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
    daemon.kill()
    assert control_socket(site).exists()
    assert "offline: nothing is wrong" in ctl(site, "store", "verify", "--all").stderr
    with running(site):
        assert "through the running daemon" in ctl(site, "store", "verify", "--all").stderr
    assert not control_socket(site).exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("is_member", [False, True])
def test_another_user_is_refused_by_the_kernels_word_whatever_the_sockets_mode(
    site: Site, open_folder: Path, is_member: bool
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    path = open_folder / "control.sock"
    control = f'\ncontrol: {{socket: {path}, mode: "666", group: nogroup}}\n'
    site.configuration.write_text(site.configuration.read_text() + control)
    groups = ["--regid", str(NOBODY - 1), "--groups", str(NOBODY)] if is_member else ["--regid", "1", "--clear-groups"]
    command = [require("setpriv"), "--reuid", str(NOBODY), *groups, "/usr/bin/python3", "-c", STRANGER, str(path)]
    with running(site) as daemon:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
        assert said.returncode == 0, said.stderr
        assert ('"hello"' in said.stdout, '"status": 3' in said.stdout) == (is_member, not is_member)
        assert ("control socket: refused" in daemon.log_text()) is not is_member


def test_a_store_in_use_is_in_order_whenever_it_is_looked_at(site: Site) -> None:
    """Deliveries, flags, expunges, copies, moves, mailboxes that come and go: none of it ever looks like a fault."""
    with running(site) as daemon:
        stop = threading.Event()
        failures: list[BaseException] = []
        works = [deliver, deliver, change_flags, change_flags, move_about, make_and_remove, look_about]
        threads = [threading.Thread(target=kept_up, args=(work, site, stop, failures)) for work in works]
        for thread in threads:
            thread.start()
        try:
            await_true(lambda: len(site.message_files(ALICE)) > 20, "some mail")
            kept = [site.maildir(ALICE) / name for name in ("maildirsize", "mailboxd.index", "mailboxd.text")]
            await_true(lambda: all(path.exists() for path in kept), "all that is verified")
            for number in range(12):
                deep = ["--deep"] if number % 4 == 3 else []
                where = ["--offline"] if number % 3 == 2 else []
                verb = "repair" if number % 6 == 1 else "verify"
                found = answers(site, "store", verb, "--all", *deep, *(where if verb == "verify" else []))
                assert [answer for answer in found if answer["answer"] not in ("end",)] == []
                assert found[-1]["status"] == FINE
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert failures == []
        assert len(site.message_files(ALICE)) > 20, daemon.log_tail()


def kept_up(
    work: Callable[[Site, random.Random], None], site: Site, stop: threading.Event, failures: list[Any]
) -> None:
    chance = random.Random(work.__name__)
    try:
        while not stop.is_set():
            work(site, chance)
    except BaseException as error:
        failures.append(error)


def deliver(site: Site, chance: random.Random) -> None:
    with smtplib.LMTP(str(site.lmtp_socket)) as client:
        for _ in range(5):
            client.sendmail("stranger@example.com", [ALICE], chance.choice(ALL_MAIL[:1]).octets)


def change_flags(site: Site, chance: random.Random) -> None:
    with mailbox(site, ALICE) as client:
        for _ in range(10):
            flag = chance.choice([r"\Seen", r"\Flagged", "$one", "$two"])
            client.store("1:*", chance.choice(["+FLAGS", "-FLAGS"]), f"({flag})")


def move_about(site: Site, chance: random.Random) -> None:
    with mailbox(site, ALICE) as client:
        client.copy("1:3", "Archive")
        client.uid("MOVE", "1:2", "Archive")
        client.select("Archive")
        client.store("1:2", "+FLAGS", r"(\Deleted)")
        client.expunge()


def look_about(site: Site, chance: random.Random) -> None:
    """What is kept of messages comes and goes too."""
    with mailbox(site, ALICE) as client:
        checked(client.fetch("1:*", "(ENVELOPE BODYSTRUCTURE)"))
        checked(client.search(None, "TEXT", chance.choice(["hello", "nowhere"])))


def make_and_remove(site: Site, chance: random.Random) -> None:
    with mailbox(site, ALICE) as client:
        client.create("Passing")
        client.append("Passing", r"(\Draft)", None, b"Subject: x\r\n\r\nhello\r\n")  # type: ignore[arg-type]
        client.delete("Passing")


def test_an_index_is_made_again_and_a_client_that_goes_away_ends_the_work(site: Site) -> None:
    fill(site, 3000)
    with running(site) as daemon:
        said = ctl(site, "store", "reindex", BOB)
        assert said.returncode == FINE and "3000 messages in" in said.stderr
        assert answers(site, "store", "verify", BOB, "--deep")[-1]["status"] == FINE
        with connected(site) as connection, connection.makefile("rb") as stream:
            connection.sendall(b'{"verb": "reindex"}\n')
            stream.readline()
            assert json.loads(stream.readline())["answer"] == "progress"
        await_true(lambda: len(children_of(daemon.pid)) == 1, "the end of all but the one that is ready")
        assert answers(site, "store", "stats", BOB)[0]["messages"] == 3000


def test_what_happened_to_messages_is_known_after_their_index_was_made_again(site: Site) -> None:
    fill(site, 60)
    with running(site):
        with mailbox(site, BOB) as client:
            client.store("1:5", "+FLAGS", r"(\Seen)")
            before = highest(client)
        for _ in range(2):
            assert ctl(site, "store", "reindex", BOB).returncode == FINE
            with mailbox(site, BOB) as client:
                assert highest(client) == before


def highest(client: imaplib.IMAP4) -> bytes:
    (told,) = checked(client.status("INBOX", "(HIGHESTMODSEQ)"))
    assert isinstance(told, bytes) and b"HIGHESTMODSEQ" in told
    return told


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_attacks_on_the_socket_leave_the_daemon_as_it_was(site: Site) -> None:
    with running(site) as daemon:
        for junk in (b"\0" * 100_000, b"{" * 20_000, b"[" * 10_000 + b"\n", os.urandom(50_000), b"\n" * 1000):
            with connected(site) as connection, contextlib.suppress(ConnectionError):
                connection.sendall(junk)
                while connection.recv(65536):
                    pass
        idle = [connected(site) for _ in range(4)]
        for connection in idle:
            assert b"hello" in connection.recv(1000)
        with connected(site) as fifth:
            assert b"too many requests are under way" in fifth.recv(1000)
        refused = ctl(site, "store", "stats", "--all")
        assert refused.returncode == TROUBLE and "too many requests" in refused.stderr
        for connection in idle:
            connection.close()
        await_true(lambda: ctl(site, "store", "stats", "--all").returncode == FINE, "a free connection")
        assert "Traceback" not in daemon.log_text()


def test_a_client_that_does_not_read_holds_nobody_up(site: Site) -> None:
    fill(site, 200)
    for path in list((site.maildir(BOB) / "new").iterdir()):
        path.rename(path.with_name(path.name + ",S=1,W=2"))
    with running(site), connected(site) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.sendall(VERIFY * 20)
        assert len(answers(site, "store", "verify", BOB)) == 201
        with mailbox(site, BOB) as client:
            assert len(checked(client.search(None, "ALL"))[0].split()) == 200  # type: ignore[attr-defined]


def test_a_pipe_that_closes_early_is_no_traceback(site: Site) -> None:
    fill(site, 200)
    for path in list((site.maildir(BOB) / "new").iterdir()):
        path.rename(path.with_name(path.name + ",S=1,W=2"))
    command = f"{sys.executable} -m mailbox_d.ctl --config {site.configuration} store verify --all | head -n 1"
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert "wrong-size" in said.stdout and "Traceback" not in said.stderr


def test_adoption_changes_nothing_without_a_yes_and_release_leaves_nothing_of_ours_but_a_number(site: Site) -> None:
    fill(site, 3)
    maildir = site.maildir(BOB)
    for part in ("cur", "new", "tmp"):
        (maildir / ".Sent Items" / part).mkdir(parents=True)
    (maildir / ".Sent Items").chmod(0o700)
    (maildir / "dovecot.index.log").write_bytes(b"")
    (maildir / "dovecot-uidlist").write_bytes(b"1 1234 3\n1 1700000000.M1P1.elsewhere\n2 1700000001.M1P1.elsewhere\n")
    before = sorted(maildir.rglob("*"))
    told = ctl(site, "store", "adopt", BOB)
    assert told.returncode == FINDINGS
    assert "INBOX: 3 messages, 2 with their UIDs, UIDVALIDITY 1234" in told.stdout
    assert r"Sent Items (\Sent)" in told.stdout and "keywords beyond the 26th" in told.stdout
    assert sorted(maildir.rglob("*")) == before
    assert ctl(site, "store", "adopt", BOB, "--yes").returncode == FINE
    with running(site):
        with mailbox(site, BOB) as client:
            assert b"1234" in checked(client.status("INBOX", "(UIDVALIDITY)"))[0]  # type: ignore[operator]
            assert checked(client.uid("SEARCH", "ALL")) == [b"1 2 3"]  # type: ignore[comparison-overlap]
            assert any(rb"\Sent" in each for each in client.list()[1])
            busy = ctl(site, "store", "release", BOB, "--wait", "0")
            assert busy.returncode == TROUBLE and "1 sessions are open" in busy.stderr
        (maildir / "mailboxd-modseq").write_text("1700000000000\n")
        await_true(lambda: ctl(site, "store", "release", BOB, "--wait", "0").returncode == FINE, "the session's end")
        released = ctl(site, "store", "release", BOB, "--purge")
    told = re.search(rf"doveadm mailbox update -u {BOB} --min-highest-modseq (\d+) 'Sent Items'", released.stdout)
    assert told is not None and int(told[1]) >= 1_700_000_000_000
    assert [path.name for path in maildir.rglob("*") if path.name.startswith("mailboxd")] == ["mailboxd-modseq"]


def test_an_index_that_says_what_is_not_so_is_found_and_put_right(site: Site) -> None:
    fill(site, 60)
    assert ctl(site, "store", "reindex", BOB).returncode == FINE
    index = site.maildir(BOB) / "mailboxd.index"
    with contextlib.closing(sqlite3.connect(index)) as db, db:
        rows = db.execute("SELECT id, octets FROM answer").fetchall()
        assert rows
        for row, octets in rows[:10]:
            lie = octets.replace(b"number", b"NUMBER")
            base = (b"17000%05d.M1P1.elsewhere" % ((row & 0xFFFFFFFF) - 1),)
            db.execute("UPDATE answer SET octets = ? WHERE id = ?", (lie, row))
            db.execute("UPDATE answer SET checksum = ? WHERE id = ?", (sealed(db, row, base[0], lie), row))
    assert answers(site, "store", "verify", BOB)[-1]["status"] == FINE
    found = answers(site, "store", "verify", BOB, "--deep")
    assert {answer["kind"] for answer in found[:-1]} == {"index-wrong"} and len(found) == 11
    assert answers(site, "store", "repair", BOB, "--deep")[-1]["status"] == FINE
    assert answers(site, "store", "verify", BOB, "--deep")[-1] == {**found[-1], "status": FINE, "findings": 0}


def sealed(db: sqlite3.Connection, row: int, base: bytes, octets: bytes) -> int:
    """A row's checksum, as the index makes it."""
    ((name,),) = db.execute("SELECT name FROM attribute WHERE id = ?", (row >> 56,)).fetchall()
    return zlib.crc32(octets, zlib.crc32(base, zlib.crc32(name)))


def test_ctrl_c_ends_it_where_it_stands_and_the_next_one_begins(site: Site) -> None:
    fill(site, 3000)
    command = [sys.executable, "-m", "mailbox_d.ctl", "--config", str(site.configuration), "store", "reindex", BOB]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        await_true(lambda: bool(children_of(process.pid)), "a child")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == TROUBLE and "it was interrupted" in said and "Traceback" not in said
    assert ctl(site, "store", "reindex", BOB).returncode == FINE


def test_nothing_is_made_where_there_is_no_store(site: Site) -> None:
    before = sorted(site.folder.rglob("*"))
    said = ctl(site, "store", "repair", "--all")
    assert said.returncode == TROUBLE and "there are no mailboxes" in said.stderr
    assert sorted(site.folder.rglob("*")) == before


def test_root_works_as_the_stores_owner(site: Site, open_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    fill(site, 60)
    text = site.configuration.read_text()
    for name in ("maildirs", "state"):
        (site.folder / name).mkdir(exist_ok=True)
        shutil.move(site.folder / name, open_folder / name)
        text, count = re.subn(rf"^  {name}: .*$", f"  {name}: {open_folder / name}", text, flags=re.MULTILINE)
        assert count == 1
    site.configuration.write_text(text)
    for path in (open_folder, *open_folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    said = ctl(site, "store", "repair", "--all")
    assert said.returncode == FINE, said.stderr
    assert ctl(site, "store", "stats", "--all").returncode == FINE
    assert {path.lstat().st_uid for path in open_folder.rglob("*")} == {NOBODY}
    assert ctl(site, "store", "verify", "--all").returncode == FINE


def test_it_speaks_in_any_locale(site: Site) -> None:
    for part in ("cur", "new", "tmp"):
        (site.maildir(BOB) / ".Entw&APw-rfe" / part).mkdir(parents=True)
        (site.maildir(BOB) / part).mkdir()
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "mailbox_d.ctl", "--config", str(site.configuration), "store", "stats", "--all"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert said.returncode == FINE and r"Entw\xfcrfe" in said.stdout
