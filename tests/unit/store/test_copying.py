"""What may lie where a message should be, when it is copied or moved."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError, StorageFault
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.marks import LookTimes
from mailbox_d.store.ports import INBOX

ALICE = EmailAddress.parse("alice@example.org")
ALWAYS_LOOK = StoreSettings(looks=LookTimes(doubtful=1e9, again=0))


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    path = tmp_path / "example.org/alice/Maildir"
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    (path / "cur/1.a,S=2,W=3:2,").write_bytes(b"a\n")
    return path


def both(tmp_path: Path) -> tuple[MaildirMailbox, MaildirMailbox]:
    account = MaildirStore(tmp_path, settings=ALWAYS_LOOK).account(ALICE)
    account.create("Archive")
    return account.open(INBOX), account.open("Archive")


def link(path: Path) -> None:
    secret = path.parents[4] / "secret"
    secret.write_bytes(b"secret\n")
    path.symlink_to(secret)


@pytest.mark.parametrize("make", [link, os.mkfifo, Path.mkdir], ids=["link", "pipe", "folder"])
@pytest.mark.parametrize("verb", ["copy", "move"])
def test_attack_121_what_took_a_message_s_place_is_not_copied(
    maildir: Path, tmp_path: Path, verb: str, make: Callable[[Path], None]
) -> None:
    source, goal = both(tmp_path)
    path = maildir / "cur/1.a,S=2,W=3:2,"
    path.unlink()
    make(path)
    with pytest.raises(MailError):
        getattr(source, verb)([1], goal)
    assert os.path.lexists(path)
    assert not goal.messages()
    assert [entry for entry in (maildir / ".Archive").rglob("*/*") if entry.parent.name in ("cur", "new", "tmp")] == []


@pytest.mark.parametrize("part", ["cur", "new", "tmp"])
@pytest.mark.parametrize("verb", ["copy", "move"])
def test_attack_121_nothing_is_put_where_a_link_leads(maildir: Path, tmp_path: Path, verb: str, part: str) -> None:
    source, goal = both(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (maildir / ".Archive" / part).rmdir()
    (maildir / ".Archive" / part).symlink_to(elsewhere)
    with pytest.raises(StorageFault):
        getattr(source, verb)([1], goal)
    assert list(elsewhere.iterdir()) == []
    assert [path.name for path in (maildir / "cur").iterdir()] == ["1.a,S=2,W=3:2,"]


def test_attack_121_a_file_with_many_names_is_a_message_like_any_other(maildir: Path, tmp_path: Path) -> None:
    path = maildir / "cur/1.a,S=2,W=3:2,"
    os.link(path, tmp_path / "another")
    source, goal = both(tmp_path)
    assert source.move([1], goal) == {1: 1}
    goal.expunge([1])
    assert (tmp_path / "another").read_bytes() == b"a\n"
