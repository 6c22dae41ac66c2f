"""When a look at the disk can be spared: never while something may have happened that nobody has looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.store.folder import Folder
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, FlagAction
from mailbox_d.store.watching import NobodyWatches, Watched, Watcher

ALICE = EmailAddress.parse("alice@example.org")


class Kernel(Watcher):
    """Tells when it is asked to settle, as inotify's queue does."""

    def __init__(self) -> None:
        self.armed: list[Callable[[], None]] = []
        self.pending = False
        self.is_busy = False

    def arm(self, directories: Sequence[bytes], touched: Callable[[], None]) -> bool:
        assert directories == (b"/m/new", b"/m/cur")
        self.armed = [touched]
        return True

    def settle(self) -> bool:
        if self.is_busy:
            return False
        if self.pending:
            self.pending = False
            armed, self.armed = self.armed, []
            for touched in armed:
                touched()
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def watched(kernel: Kernel, clock: Clock, woken: list[str]) -> Watched:
    return Watched(kernel, Folder(b"/m"), 1.0, lambda: woken.append("woken"), clock)


def look(watched: Watched) -> None:
    watched.begin(is_wanted=True)
    watched.done()


def test_before_the_first_look_nothing_is_certain(watched: Watched) -> None:
    assert not watched.is_quiet()


def test_behind_a_look_it_is_quiet_for_a_while(watched: Watched, clock: Clock) -> None:
    look(watched)
    assert watched.is_quiet()
    clock.now += 0.99
    assert watched.is_quiet()
    clock.now += 0.01
    assert not watched.is_quiet(), "a network's file system would tell nothing"


def test_what_the_kernel_has_not_yet_told_counts(watched: Watched, kernel: Kernel, woken: list[str]) -> None:
    look(watched)
    kernel.pending = True
    assert not watched.is_quiet()
    assert woken == ["woken"]


def test_who_cannot_tell_without_waiting_is_not_believed(watched: Watched, kernel: Kernel) -> None:
    look(watched)
    kernel.is_busy = True
    assert not watched.is_quiet()
    kernel.is_busy = False
    assert watched.is_quiet()


def test_a_change_during_a_look_asks_for_another_look(watched: Watched, kernel: Kernel) -> None:
    watched.begin(is_wanted=True)
    kernel.pending = True
    kernel.settle()
    watched.done()
    assert not watched.is_quiet()
    look(watched)
    assert watched.is_quiet()


def test_a_look_that_came_to_no_end_is_none(watched: Watched) -> None:
    look(watched)
    watched.begin(is_wanted=True)
    assert not watched.is_quiet()


def test_for_a_mailbox_that_nobody_has_open_nothing_is_watched(watched: Watched, kernel: Kernel) -> None:
    watched.begin(is_wanted=False)
    watched.done()
    assert not kernel.armed
    assert not watched.is_quiet()


def test_where_nobody_watches_no_look_is_spared(clock: Clock) -> None:
    watched = Watched(NobodyWatches(), Folder(b"/m"), 1.0, lambda: None, clock)
    look(watched)
    assert not watched.is_quiet()


def test_it_is_told_once_until_the_next_look(watched: Watched, woken: list[str]) -> None:
    look(watched)
    watched.touched()
    watched.touched()
    assert woken == ["woken"]
    look(watched)
    watched.touched()
    assert woken == ["woken", "woken"]


def test_a_change_that_may_hide_behind_one_of_our_own_is_looked_for(tmp_path: Path) -> None:
    """A directory's time moves in steps of milliseconds: what another program did in the same step does not show."""
    cur = tmp_path / "example.org/alice/Maildir/cur"
    cur.mkdir(parents=True)
    (cur / "1700000000.M1P1.h:2,F").write_bytes(b"a\n")
    mailbox = MaildirStore(tmp_path, watcher=Sleepless()).account(ALICE).open(INBOX)
    feed = mailbox.feed()
    mailbox.refresh()
    mailbox.change_flags([1], FlagAction.ADD, frozenset({"\\Seen"}))
    feed.take()
    mailbox.refresh()
    assert feed.may_tell()


def test_behind_a_look_at_everything_nothing_can_hide(tmp_path: Path) -> None:
    cur = tmp_path / "example.org/alice/Maildir/cur"
    cur.mkdir(parents=True)
    mailbox = MaildirStore(tmp_path, watcher=Sleepless()).account(ALICE).open(INBOX)
    feed = mailbox.feed()
    (cur / "1700000000.M1P1.h:2,F").write_bytes(b"a\n")
    mailbox.refresh()
    assert feed.may_tell()
    assert len(feed.take()) == 1
    assert not feed.may_tell()


def test_who_changes_a_mailbox_watches_for_nothing_and_who_looks_does(tmp_path: Path) -> None:
    cur = tmp_path / "example.org/alice/Maildir/cur"
    cur.mkdir(parents=True)
    (cur / "1700000000.M1P1.h:2,F").write_bytes(b"a\n")
    watcher = Sleepless()
    mailbox = MaildirStore(tmp_path, watcher=watcher).account(ALICE).open(INBOX)
    feed = mailbox.feed()
    mailbox.change_flags([1], FlagAction.ADD, frozenset({"\\Seen"}))
    assert not watcher.armed
    assert len(feed.take()) == 1 and feed.may_tell()
    mailbox.refresh()
    assert len(watcher.armed) == 1


class Sleepless(Watcher):
    """Watches, and has nothing to tell."""

    def __init__(self) -> None:
        self.armed: list[Callable[[], None]] = []

    def arm(self, directories: Sequence[bytes], touched: Callable[[], None]) -> bool:
        self.armed.append(touched)
        return True

    def settle(self) -> bool:
        return True
