"""mbsync keeps a Maildir and an account alike, both ways: messages, flags, mailboxes, moves and removals."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree
from typing import TypeAlias

import pytest

from tests.integration.account import put_messages, snapshot
from tests.integration.daemon import Daemon
from tests.integration.imap_programs import Mbsync, Synced
from tests.integration.mail import DATE, SMALL_MAIL
from tests.integration.reading import checked, mailbox
from tests.integration.site import ALICE, Site

SENT = [mail.octets for mail in SMALL_MAIL]
MADE_THERE = "Made there/Gr&APYA3w-e"
NOTHING = Synced(0, 0, 0)
TRANSACTION = re.compile(rb"X-TUID: [^\r]*\r\n")
Files: TypeAlias = dict[str, tuple[int, int, int]]


@pytest.fixture
def program(lasting_daemon: Daemon, tmp_path: Path) -> Mbsync:
    return Mbsync(lasting_daemon.site, ALICE, tmp_path / "mbsync")


def numbered(numbers: Iterable[int]) -> list[bytes]:
    return [
        (
            f"From: Alice <alice@example.org>\r\nSubject: Message {number}\r\nDate: {DATE}\r\n"
            f"Message-ID: <{number}@mbsync.example.org>\r\n\r\nThe text of message {number}.\r\n"
        ).encode()
        for number in numbers
    ]


def far(site: Site, name: str = "INBOX") -> list[bytes]:
    """The server's messages, sorted, without the field by which mbsync finds again what it pushes."""
    return sorted(TRANSACTION.sub(b"", octets, count=1) for octets in snapshot(site).octets(name))


def near(program: Mbsync, name: str = "INBOX") -> list[bytes]:
    return sorted(near_files(program, name))


def near_files(program: Mbsync, name: str = "INBOX") -> dict[bytes, Path]:
    """The near side's files by the octets on the wire that they stand for, likewise."""
    paths = program.messages(name)
    found = {TRANSACTION.sub(b"", path.read_bytes().replace(b"\n", b"\r\n"), count=1): path for path in paths}
    assert len(found) == len(paths)
    return found


def put(folder: Path, messages: Iterable[bytes]) -> None:
    """Lay messages into a Maildir of the near side."""
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, octets in enumerate(messages):
        (folder / "new" / f"1700000000.M{number}P1.client").write_bytes(octets.replace(b"\r\n", b"\n"))


def files(folder: Path) -> Files:
    """Inode, time and size of every file below a folder."""
    return {
        str(path.relative_to(folder)): (status.st_ino, status.st_mtime_ns, status.st_size)
        for path in folder.rglob("*")
        if path.is_file() and (status := path.stat())
    }


def test_two_thousand_messages_both_ways_and_then_nothing_to_do(lasting_daemon: Daemon, program: Mbsync) -> None:
    site = lasting_daemon.site
    put_messages(site, numbered(range(2000)))
    put(program.mailbox(), numbered(range(2000, 4000)))
    there, here = program.sync()
    assert (there.added, here.added) == (2000, 2000)
    before = files(site.maildir(ALICE)), files(program.mailbox())
    assert program.sync() == (NOTHING, NOTHING)
    assert (files(site.maildir(ALICE)), files(program.mailbox())) == before
    assert far(site) == near(program) == sorted(numbered(range(4000)))
    lasting_daemon.restart()
    assert program.sync() == (NOTHING, NOTHING)


def test_flags_and_removals_both_ways(lasting_daemon: Daemon, program: Mbsync) -> None:
    site = lasting_daemon.site
    put_messages(site, SENT)
    program.sync()
    assert far(site) == near(program) == sorted(SENT)
    with mailbox(site, ALICE) as client:
        checked(client.store("1", "+FLAGS", r"(\Flagged \Seen)"))
        checked(client.store("2", "+FLAGS", r"(\Answered)"))
        checked(client.store("3", "+FLAGS", r"(\Deleted)"))
        checked(client.expunge())
    here = near_files(program)
    here[SENT[3]].unlink()
    seen = here[SENT[4]]
    seen.rename(program.mailbox() / "cur" / f"{seen.name.partition(':')[0]}:2,RS")
    program.sync()
    kept = [SENT[0], SENT[1], *SENT[4:]]
    assert far(site) == near(program) == sorted(kept)
    account = snapshot(site)
    flags = dict(zip(account.octets(), account.flags(), strict=True))
    assert {SENT.index(octets): set(names) for octets, names in flags.items() if names} == {
        0: {r"\Flagged", r"\Seen"},
        1: {r"\Answered"},
        4: {r"\Answered", r"\Seen"},
    }
    letters = {octets: path.name.partition(":2,")[2] for octets, path in near_files(program).items()}
    assert {SENT.index(octets): found for octets, found in letters.items() if found} == {0: "FS", 1: "R", 4: "RS"}
    lasting_daemon.restart()
    assert program.sync() == (NOTHING, NOTHING)


def near_mailboxes(program: Mbsync) -> set[str]:
    top = program.mailbox().parent
    return {str(path.parent.relative_to(top)) for path in top.rglob("cur")}


def test_mailboxes_are_made_and_removed_both_ways(lasting_daemon: Daemon, program: Mbsync) -> None:
    site = lasting_daemon.site
    put(program.mailbox("Made here"), SENT[:2])
    with mailbox(site, ALICE) as client:
        checked(client.create(f'"{MADE_THERE}"'))
        checked(client.append(f'"{MADE_THERE}"', "", None, SENT[2]))
    program.sync()
    assert far(site, "Made here") == sorted(SENT[:2])
    assert near(program, MADE_THERE) == [SENT[2]]
    with mailbox(site, ALICE) as client:
        for name in ("Made here", MADE_THERE):
            checked(client.select(f'"{name}"'))
            checked(client.store("1:*", "+FLAGS", r"(\Deleted)"))
            checked(client.close())
    program.sync()
    assert near(program, "Made here") == near(program, MADE_THERE) == []
    rmtree(program.mailbox("Made here"))
    with mailbox(site, ALICE) as client:
        checked(client.delete(f'"{MADE_THERE}"'))
    program.sync()
    assert not near_mailboxes(program) & {"Made here", MADE_THERE}
    assert not snapshot(site).mailboxes.keys() & {"Made here", MADE_THERE}
    lasting_daemon.restart()
    assert program.sync() == (NOTHING, NOTHING)


def test_renames_and_moves_both_ways(lasting_daemon: Daemon, program: Mbsync) -> None:
    """To mbsync they are removals and new messages."""
    site = lasting_daemon.site
    put_messages(site, SENT)
    with mailbox(site, ALICE) as client:
        checked(client.create("Old"))
        checked(client.copy("1:2", "Old"))
    program.sync()
    with mailbox(site, ALICE) as client:
        checked(client.rename("Old", "New"))
        checked(client.select("INBOX"))
        checked(client.xatom("MOVE", "3", "New"))
    here = near_files(program)[SENT[3]]
    here.rename(program.mailbox("Archive") / "cur" / "1700000009.M9P9.client:2,F")
    program.sync()
    assert far(site, "New") == near(program, "New") == sorted(SENT[:3])
    assert far(site, "Archive") == near(program, "Archive") == [SENT[3]]
    assert snapshot(site).flags("Archive") == [{r"\Flagged"}]
    assert far(site) == near(program) == sorted([*SENT[:2], *SENT[4:]])
    lasting_daemon.restart()
    assert program.sync() == (NOTHING, NOTHING)
