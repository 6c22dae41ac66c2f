"""The store of a site on disk: a Maildir for each account."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.store.delivery import MaildirDelivery
from mailbox_d.store.disk import Disk, StoreSettings
from mailbox_d.store.files import FileSystem, make_directories, storage_faults
from mailbox_d.store.folder import Folder, require_folder
from mailbox_d.store.layout import Layout
from mailbox_d.store.maildir_account import MaildirAccount
from mailbox_d.store.open_mailboxes import OpenMailboxes
from mailbox_d.store.ports import Block, Store, Target
from mailbox_d.store.quota import QuotaRules
from mailbox_d.store.residences import ResidenceRules, Residences
from mailbox_d.store.watching import NobodyWatches, Watcher


class MaildirStore(Store):
    """All accounts below `root`. `newline` (`lf` or `crlf`) and `hold` stand for `settings` where none are given.

    With a `watcher`, mailboxes that are open hear at once what other programs do in them. `quotas` say what each
    account may hold, `residences` where each lies.
    """

    def __init__(
        self,
        root: Path,
        *,
        newline: str = "lf",
        hold: int = 256 * 1024,
        files: FileSystem | None = None,
        settings: StoreSettings | None = None,
        watcher: Watcher | None = None,
        quotas: QuotaRules | None = None,
        residences: ResidenceRules | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if newline not in ("lf", "crlf"):
            raise ValueError("newline is lf or crlf")
        self._root = root.absolute()
        settings = settings or replace(StoreSettings(), newline=newline, hold=hold)
        watcher, quotas = watcher or NobodyWatches(), quotas or QuotaRules()
        self._disk = Disk(files or FileSystem(), settings, clock, watcher, quotas)
        self._layout = Layout(self._root, self._disk.files)
        self.residences = residences or ResidenceRules()
        self._homes = Residences(self._disk, self._layout, self.residences)
        self._opened = OpenMailboxes(settings.kept_mailboxes)

    @property
    def disk(self) -> Disk:
        """What the upkeep of this store shares with its sessions, locks above all."""
        return self._disk

    @property
    def layout(self) -> Layout:
        """Where accounts lie."""
        return self._layout

    def end(self, folder: Folder) -> None:
        """Tell whoever has this folder's mailbox open that it was replaced."""
        self._opened.end(folder)

    @storage_faults
    def account(self, address: EmailAddress) -> MaildirAccount:
        maildir = self._homes.maildir(address)
        require_folder(self._disk.files, Folder(maildir))
        return MaildirAccount(self._disk, address, maildir, self._opened)

    @storage_faults
    def deliver(self, blocks: Sequence[Block]) -> MaildirDelivery:
        return MaildirDelivery(self._disk, blocks, self._folder, self._opened.wake)

    @storage_faults
    def has_room(self, address: EmailAddress, octets: int) -> bool:
        return self._disk.ledgers.of(address, self._homes.maildir(address, make=False)).has_room(octets)

    @storage_faults
    def free_octets(self) -> int:
        root = os.fsencode(self._root)
        make_directories(self._disk.files, root)
        return self._disk.files.free_octets(root)

    @storage_faults
    def _folder(self, target: Target) -> Folder:
        """Where a copy goes. Raises `AddressError`, `NoSuchMailbox`, `StorageFault`: this copy's alone."""
        maildir = self._homes.maildir(target.address)
        return MaildirAccount(self._disk, target.address, maildir, self._opened).folder(target.mailbox)
