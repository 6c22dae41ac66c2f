"""One user's Maildir: INBOX, its folders, and which of them are subscribed to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal

from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxBusy, MailboxExists, MailboxNameError, MailError, NoSuchMailbox
from mailbox_d.store import special_use
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import storage_faults
from mailbox_d.store.folder import Folder, require_folder
from mailbox_d.store.folder_tree import FolderTree, sweep
from mailbox_d.store.locked_file import LockedFile
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.names import canonical_name, tree
from mailbox_d.store.open_mailboxes import OpenMailboxes
from mailbox_d.store.ports import INBOX, SEPARATOR, Account, Listed, Quota, SpecialUse, Target
from mailbox_d.store.subscriptions import SubscriptionsFile

_SWEPT = 1000
"""How many files in `tmp` are looked at when a mailbox is opened."""


class MaildirAccount(Account):
    """The account whose Maildir lies at `maildir`; `opened` holds the mailboxes in memory."""

    _log = Logger()

    def __init__(self, disk: Disk, address: EmailAddress, maildir: bytes, opened: OpenMailboxes) -> None:
        self.address = address
        self._disk = disk
        self._maildir = maildir
        self._opened = opened
        self._ledger = disk.ledgers.of(address, maildir)
        self._tree = FolderTree(disk, maildir)
        self._subscriptions = SubscriptionsFile(
            disk.files,
            maildir,
            octets_max=disk.settings.subscriptions_octets_max,
            clock=disk.clock,
            left_behind=disk.left_behind,
        )
        self._special_uses = LockedFile(
            disk.files,
            maildir + b"/" + special_use.FILE_NAME,
            busy="The uses of mailboxes are being changed",
            full="There is no room for the uses of more mailboxes",
            clock=disk.clock,
            left_behind=disk.left_behind,
        )

    @storage_faults
    def quota(self) -> Quota | None:
        return self._ledger.quota()

    @storage_faults
    def mailboxes(self) -> Sequence[Listed]:
        self._require_maildir()
        return tree(self._tree.names())

    @storage_faults
    def open(self, name: str, *, look: bool = True) -> MaildirMailbox:
        folder = self.folder(name)
        require_folder(self._disk.files, folder)
        mailbox = self._find(folder, name)
        if not look:
            return mailbox
        try:
            mailbox.refresh()
        except NoSuchMailbox:
            if not mailbox.is_gone:
                raise
            mailbox = self._find(folder, name)
            mailbox.refresh()
        return mailbox

    @storage_faults
    def create(self, name: str) -> None:
        canonical = self._canonical(name)
        with self._disk.locks.hold_inside(self._maildir):
            self._tree.make(canonical)

    @storage_faults
    def delete(self, name: str) -> None:
        canonical = self._canonical(name)
        if canonical == INBOX:
            raise MailboxNameError("INBOX cannot be deleted")
        with self._disk.locks.hold_inside(self._maildir), self._undisturbed([canonical]):
            with self._ledger.changing() as removed:
                self._tree.take_away(canonical, removed.append)
            self._tree.remove_taken()
            self._opened.end(self._tree.folder(canonical))

    @storage_faults
    def rename(self, old: str, new: str) -> None:
        source, goal = self._canonical(old), self._canonical(new)
        if goal.startswith(source + SEPARATOR) and source != INBOX:
            raise MailboxNameError("A mailbox cannot be moved below itself")
        with self._disk.locks.hold_inside(self._maildir), self._ledger.changing():
            if source == INBOX:
                self._move_inbox(goal)
            else:
                self._move(source, goal)

    @storage_faults
    def subscriptions(self) -> Sequence[str]:
        self._require_maildir()
        return self._subscriptions.read()

    @storage_faults
    def subscribe(self, name: str, subscribed: Literal[True, False] = True) -> None:
        self._require_maildir()
        self._subscriptions.change(self._canonical(name), subscribed=subscribed)

    @storage_faults
    def special_uses(self) -> Mapping[str, SpecialUse] | None:
        content = self._special_uses.read()
        return None if content is None else special_use.parse(content)

    @storage_faults
    def assign_special_uses(self, uses: Mapping[str, SpecialUse]) -> None:
        canonical = {self._canonical(name): use for name, use in uses.items()}
        self._special_uses.change(lambda _: special_use.format_uses(canonical))

    @storage_faults
    def assign_special_use(self, name: str, use: SpecialUse) -> None:
        canonical = self._canonical(name)
        self._special_uses.change(lambda content: special_use.with_use(content or b"", canonical, use))

    def folder(self, name: str) -> Folder:
        """Where a mailbox lies. Raises `NoSuchMailbox` for a name that none can have."""
        try:
            return self._tree.folder(self._canonical(name))
        except MailboxNameError as error:
            raise NoSuchMailbox("No such mailbox", cause=error.public) from None

    def _require_maildir(self) -> None:
        """Raises `StorageFault` where it has gone: what is not there now would else be as if it had never been."""
        require_folder(self._disk.files, Folder(self._maildir))

    def _canonical(self, name: str) -> str:
        return canonical_name(name, self._disk.settings.names)

    def _find(self, folder: Folder, name: str) -> MaildirMailbox:
        """The mailbox as all have it who have it open; but not as a user had it whose the Maildir was before."""
        mailbox = self._opened.find(folder, lambda: self._make(folder, name))
        if mailbox.address != self.address:
            self._opened.end(folder)
            mailbox = self._opened.find(folder, lambda: self._make(folder, name))
        return mailbox

    def _make(self, folder: Folder, name: str) -> MaildirMailbox:
        sweep(self._disk, folder, most=_SWEPT)
        return MaildirMailbox(self._disk, folder, Target(self.address, self._canonical(name)))

    def _move(self, source: str, goal: str) -> None:
        """Rename a mailbox and all below it, one folder after the other."""
        below = source + SEPARATOR
        names = [name for name in self._tree.names() if name == source or name.startswith(below)]
        moves = {name: self._canonical(goal + name.removeprefix(source)) for name in names}
        if not moves:
            raise NoSuchMailbox("No such mailbox")
        if any(map(self._tree.exists, [goal, *moves.values()])):
            raise MailboxExists("The mailbox exists already")
        with self._undisturbed(names):
            for name, new_name in moves.items():
                self._tree.rename(name, new_name)
                self._opened.end(self._tree.folder(name))
        self._take_uses_along(source, goal)

    @contextmanager
    def _undisturbed(self, names: Iterable[str]) -> Iterator[None]:
        """Keep everybody from changing these mailboxes. Raises `MailboxBusy` where somebody is just doing so.

        A lock file would go along with the folder, where it would not be found again, and keep everybody out: another
        program's must not be there, and ours is removed where it went.
        """
        with ExitStack() as held:
            for name in names:
                self._hold(held, self._tree.folder(name))
            yield

    def _hold(self, held: ExitStack, folder: Folder) -> None:
        """Where the disk takes no lock file, or the folder is none of ours, keep our own sessions out alone."""
        try:
            held.enter_context(self._disk.locks.hold(folder))
        except (MailboxBusy, NoSuchMailbox):
            raise
        except (MailError, OSError):
            held.enter_context(self._disk.locks.hold_inside(folder.lock))

    def _take_uses_along(self, source: str, goal: str) -> None:
        """The mailboxes are renamed by now: what goes wrong here costs an attribute and no more."""
        try:
            uses = self.special_uses() or {}
            if special_use.renamed(uses, source, goal) != uses:
                self._special_uses.change(lambda content: special_use.with_renamed(content or b"", source, goal))
        except (MailError, OSError):
            self._log.failure("a renamed mailbox lost its special use")

    def _move_inbox(self, goal: str) -> None:
        """INBOX stays where it is; its messages go to a new mailbox (RFC 3501 section 6.3.5)."""
        inbox, folder = self.open(INBOX), self._tree.folder(goal)
        inbox.move_all(folder, lambda: self._tree.make(goal), lambda: self._unmake(goal))

    def _unmake(self, name: str) -> None:
        """Remove a mailbox that was made for messages which did not get there, so that all can be tried again."""
        try:
            if self._tree.unmake(name):
                self._opened.end(self._tree.folder(name))
        except OSError as error:
            self._log.warn("Leaving the new mailbox {name}: {error}", name=name, error=str(error))
