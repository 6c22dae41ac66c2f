"""Names of mailboxes, and where on the disk they lead."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxNameError, MailError
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.names import NameLimits, canonical_name, folder_of, name_of
from mailbox_d.store.ports import Account
from tests.faults.store_files import RecordingFiles

ALICE = EmailAddress.parse("alice@example.org")
LIMITS = NameLimits()

NAMES = [
    "../x",
    "a/../../b",
    "/etc/passwd",
    "~root",
    "cur",
    "new",
    "tmp",
    ".",
    "..",
    "a\0b",
    "a\nb",
    "&AC4ALg-",
    "&AC8-",
    "&AC4ALgAv-",
    "&",
    "&bad",
    "\N{TWO DOT LEADER}",
    "a\N{FULLWIDTH SOLIDUS}b",
    "\ud800",
    "x" * 300,
    "a/" * 1000,
    "INBOX/..",
    "INBOX/../..",
]

VERBS: dict[str, Callable[[Account, str], object]] = {
    "create": lambda account, name: account.create(name),
    "delete": lambda account, name: account.delete(name),
    "open": lambda account, name: account.open(name),
    "rename to": lambda account, name: account.rename("good", name),
    "rename from": lambda account, name: account.rename(name, "better"),
    "subscribe": lambda account, name: account.subscribe(name),
    "unsubscribe": lambda account, name: account.subscribe(name, False),
}


class TouchedFiles(RecordingFiles):
    """Keeps every path that was tried, whether or not it was there."""

    def __init__(self) -> None:
        super().__init__()
        self.tried: set[str] = set()

    def watched(self, operation: str, args: tuple[object, ...]) -> object:
        self.tried.update(os.fsdecode(path) for path in args if isinstance(path, bytes) and operation != "write")
        return super().watched(operation, args)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
def test_attack_61_no_name_leads_out_of_the_account(tmp_path: Path, verb: str, name: str) -> None:
    files = TouchedFiles()
    account = MaildirStore(tmp_path, files=files).account(ALICE)
    account.create("good")
    maildir = tmp_path / "example.org/alice/Maildir"
    files.tried.clear()
    with suppress(MailError):
        VERBS[verb](account, name)
        MaildirStore(tmp_path, files=files).account(ALICE).mailboxes()
    for path in files.tried:
        inside = Path(path).relative_to(maildir)
        assert ".." not in inside.parts
        assert not inside.parts or (inside.parts[0] != ".." and "\0" not in path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"example.org"}
    assert {entry.name for entry in maildir.parent.iterdir()} == {"Maildir"}


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["..", ".", "/", "&", "-", "AC4", "INBOX", "tmp", "ä"])).map("".join)
)
def test_attack_61_a_name_is_one_folder_beside_cur_or_none(name: str) -> None:
    try:
        folder = folder_of(canonical_name(name, LIMITS))
    except MailboxNameError:
        return
    assert b"/" not in folder and b"\0" not in folder
    assert not folder or (folder.startswith(b".") and not folder.startswith(b"..") and len(folder) > 1)
    assert name_of(folder, LIMITS) == canonical_name(name, LIMITS) or folder == b""
