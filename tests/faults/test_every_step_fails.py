"""Faults 6, 7, 8, 9, 10: every operation of the store, each of its file operations failing in turn, with every errno.

Whatever fails, the caller is told a temporary fault of ours (I6) and what was told before holds, for the sessions that
go on and for another process; nothing is there in part, twice or under another UID; and the next operation succeeds,
without anybody's hand (I7). The scenarios are those of the loss of power. By default every third step fails
with one of the errors, which take turns; `make faults` (`MAILBOXD_FAULTS_IN_FULL`) has every step fail with all.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mailbox_d.errors import MailboxBusy, MailError, StorageFault, StorageFull
from mailbox_d.store.files import FileSystem
from tests.faults.model_disk import ModelDisk, Tree, copied, paths
from tests.faults.promises import Promises, look, patiently
from tests.faults.store_files import CHANGING, LOOKING
from tests.faults.tally import IN_FULL, count
from tests.faults.test_power_loss import ALICE, BOB, CAROL, HERE, SCENARIOS, Scenario, store_on
from tests.faults.witness import Witness

pytestmark = pytest.mark.faults

CODES = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EACCES,
    errno.EROFS,
    errno.EMFILE,
    errno.ENOENT,
    errno.EINTR,
    errno.ENAMETOOLONG,
)
FULL = (errno.ENOSPC, errno.EDQUOT)
MAKING = ("link", "rename", "rename_new", "mkdir")
STRIDE = 1 if IN_FULL else 3
LOOKS = frozenset(LOOKING) - {"free_octets"}
LOOK_CODES = (errno.EIO, errno.EACCES, errno.EMFILE)
STEPS = sorted((CHANGING - {"close"}) | LOOKS)


class FailingDisk(ModelDisk):
    """Fails its `number`-th step, and with `lasting` all after it; a write that fails has written a part."""

    def __init__(self, tree: Tree, number: int, code: int, *, lasting: bool, fails: Callable[[str], bool]) -> None:
        super().__init__(tree)
        self.armed = True
        self.failed = ""
        self._number, self._code, self._lasting, self._fails = number, code, lasting, fails
        self._count = 0

    def step(self, operation: str, args: tuple[Any, ...]) -> Any:
        kind = "create" if operation == "open" and args[1] & os.O_CREAT else operation
        if self.armed and self._fails(kind):
            self._count += 1
            if self._count == self._number or (self._lasting and self._count > self._number):
                self.failed = f"{operation} {args[:1]}"
                if operation == "write":
                    ModelDisk.write(self, args[0], args[1][: len(args[1]) // 2])
                code = self._code if self._may_be(operation, args) else errno.EIO
                raise OSError(code, os.strerror(code))
        return getattr(ModelDisk, operation)(self, *args)

    def _may_be(self, operation: str, args: tuple[Any, ...]) -> bool:
        """That there is no such file is said of one that is to be made: of another it would be no fault but so."""
        makes = operation in MAKING or (operation == "open" and args[1] & os.O_CREAT)
        return makes or self._code != errno.ENOENT


def _step(operation: str) -> Callable[..., Any]:
    return lambda self, *args: self.step(operation, args)


for _operation in STEPS:
    setattr(FailingDisk, _operation, _step(_operation))


@cache
def prepared(preparation: Scenario) -> tuple[ModelDisk, Promises]:
    """The disk on which all that was there before is, and what was told of it."""
    disk, promises = ModelDisk(), Promises(lambda: 0)
    disk.mkdir(b"/mail")
    preparation(Witness(store_on(disk), promises))
    return disk, promises


def copy_of(promises: Promises) -> Promises:
    made = [replace(promise) for promise in promises.made if promise.until > 0]
    flags = {body: set(some) for body, some in promises.flags.items()}
    told = {"uids": list(promises.uids), "states": list(promises.states)}
    return replace(promises, made=made, begun=copy(promises.begun), flags=flags, **told)


def faults_of(
    name: str,
    number: int,
    code: int,
    *,
    lasting: bool = False,
    fails: Callable[[str], bool],
) -> tuple[str, list[str]]:
    """What failed (nothing where there are fewer steps), and what is wrong after it."""
    before, promises = prepared(SCENARIOS[name][0])
    promises = copy_of(promises)
    disk = FailingDisk(copied(before.nodes), number, code, lasting=lasting, fails=fails)
    promises.now = iter(range(1, 10**6)).__next__
    user = Witness(store_on(disk), promises)
    told = fault_told(SCENARIOS[name][1], user)
    faults = [*_wrongly_told(told, code)]
    if lasting and disk.failed:
        faults += _not_read(user, disk)
    disk.armed = False
    return disk.failed, [*faults, *_broken_later(user, disk)]


def fault_told(work: Scenario, user: Witness) -> MailError | None:
    """How the work ended. Anything but a `MailError` is a fault of the store's."""
    try:
        work(user)
    except MailError as error:
        return error
    return None


def _wrongly_told(told: MailError | None, code: int) -> Iterator[str]:
    if told is None or code == errno.ENOENT:
        return
    if not isinstance(told, StorageFault | MailboxBusy) or not told.temporary:
        yield f"{told!r} is told"
    if isinstance(told, StorageFull) and code not in FULL:
        yield "a full disk is told"


def _not_read(user: Witness, disk: ModelDisk) -> Iterator[str]:
    """A disk that takes nothing can be read: by the session that goes on, and by another process, unless the disk would
    not give back the lock that ours had just then."""
    for store in [user.store, *([] if locks_on(disk) else [store_on(disk)])]:
        try:
            mailbox = store.account(ALICE).open("INBOX")
            for message in mailbox.messages():
                mailbox.read(message.uid).close()
        except MailError as error:
            yield f"cannot be read: {error!r} {error.cause}"


def _broken_later(user: Witness, disk: ModelDisk) -> Iterator[str]:
    """The session that goes on, and then another process, see all that was told, and can work."""
    for address in (ALICE, BOB, CAROL):
        account = user.store.account(address)
        for listed in account.mailboxes():  # a lock that could not be removed goes with the next
            if listed.selectable:
                patiently(lambda: account.open(listed.name).expunge([]))  # noqa: B023
    for store in (user.store, store_on(disk)):
        again = Witness(store, user.promises)
        patiently(lambda: again.append(HERE, b"life goes on\r\n", frozenset({"Keyword-After"})))  # noqa: B023
        yield from user.promises.broken(look(store, ALICE, BOB, CAROL), user.promises.now())
        patiently(lambda: again.subscribe(ALICE, "After"))  # noqa: B023
    if left := locks_on(disk):
        yield f"{left} are left"


def locks_on(disk: ModelDisk) -> list[bytes]:
    """Those that time alone does not break."""
    return [path for path, _ in paths(disk.nodes) if path.endswith(b"/dovecot-uidlist.lock")]


def fail_each(name: str, codes: Sequence[int], fails: Callable[[str], bool]) -> int:
    """Have one step after the other fail, with one of the errors or with each: how many failed."""
    tried = 0
    for number in range(1, 100_000, STRIDE):
        for code in codes if IN_FULL else [codes[number // STRIDE % len(codes)]]:
            failed, faults = faults_of(name, number, code, fails=fails)
            assert not faults, f"step {number}, {failed}, {errno.errorcode[code]}: {faults}"
            tried += bool(failed)
        if not failed:
            break
    return tried


@pytest.mark.parametrize("name", SCENARIOS)
def test_faults_6_to_10_every_step_fails_with_every_errno(name: str) -> None:
    tried = fail_each(name, CODES, lambda kind: kind not in LOOKS)
    count("6-11: steps that fail, times errnos", faults=tried)
    assert tried >= 9 // STRIDE * (len(CODES) if IN_FULL else 1)


@pytest.mark.parametrize("name", SCENARIOS)
def test_fault_8_every_look_fails(name: str) -> None:
    tried = fail_each(name, LOOK_CODES, LOOKS.__contains__)
    count("8: looks that fail, times errnos", faults=tried)
    assert tried > 3


LASTING: dict[str, tuple[int, Callable[[str], bool]]] = {
    "fault_6 ENOSPC: octets": (errno.ENOSPC, lambda operation: operation in ("write", "mkdir", "link")),
    "fault_7 EDQUOT: octets": (errno.EDQUOT, lambda operation: operation in ("write", "mkdir", "link")),
    "fault_7 ENOSPC: inodes": (errno.ENOSPC, lambda operation: operation in ("mkdir", "create")),
    "fault_7 EDQUOT: inodes": (errno.EDQUOT, lambda operation: operation in ("mkdir", "create")),
    "fault_10 EROFS": (errno.EROFS, lambda operation: operation not in {"open", "fsync", "fsync_directory", *LOOKS}),
}


@pytest.mark.parametrize("kind", LASTING)
def test_faults_6_7_and_10_a_disk_that_takes_nothing_more_from_one_moment_on(kind: str) -> None:
    """Whatever was under way then: it can be read, and goes on when there is room again."""
    code, fails = LASTING[kind]
    tried = 0
    for name in SCENARIOS if IN_FULL else ("deliver", "append", "move"):
        for number in range(1, 1000, STRIDE):
            failed, faults = faults_of(name, number, code, lasting=True, fails=fails)
            assert not faults, f"{name}, from step {number} on, {failed}: {faults}"
            tried += bool(failed)
            if not failed:
                break
    count("6, 7, 10: a disk that takes no more", faults=tried)
    assert tried > 5


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def write_a_little(descriptor: int, data: bytes) -> int:
        written.append(real(descriptor, bytes(data[:7])))
        return written[-1]

    real = os.write
    monkeypatch.setattr("mailbox_d.store.files.os.write", write_a_little)
    files = FileSystem()
    descriptor = files.open(os.fsencode(tmp_path / "file"), os.O_WRONLY | os.O_CREAT)
    files.write(descriptor, b"0123456789" * 10)
    files.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"0123456789" * 10
    assert written == [7] * 14 + [2]
