"""The delivery of one message into an open mailbox, with flags and date, whose UID is told (APPEND)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mailbox_d.errors import MailboxBusy, MailError
from mailbox_d.store.disk import Disk
from mailbox_d.store.draft import Draft, Staged
from mailbox_d.store.files import storage_fault, storage_faults
from mailbox_d.store.folder import Folder
from mailbox_d.store.ports import Delivery, Outcome, Receipt, Refusal, Target

Save: TypeAlias = Callable[[Draft, Staged, bytes], int]
"""Puts a staged message under a base name in its place and returns its UID. Raises `MailboxBusy`, having changed
nothing."""


class MaildirAppend(Delivery):
    """One message for one mailbox. A `commit` that raised `MailboxBusy` may be repeated."""

    def __init__(self, disk: Disk, folder: Folder, target: Target, internal_date: float | None, save: Save) -> None:
        self._disk = disk
        self._folder = folder
        self._target = target
        self._internal_date = internal_date
        self._save = save
        self._draft = Draft(disk, (folder,))
        self._staged: Staged | None = None

    @storage_faults
    def write(self, data: bytes) -> None:
        self._draft.write(data)

    def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        try:
            receipt = self._commit()
        except MailboxBusy:
            raise
        except (MailError, OSError) as error:
            self.abort()
            fault = storage_fault(error) if isinstance(error, OSError) else error
            if all_or_nothing:
                raise fault from error
            return (Refusal(self._target, fault),)
        self.abort()
        return (receipt,)

    def abort(self) -> None:
        self._draft.discard()

    def _commit(self) -> Receipt:
        if self._staged is None:
            self._staged = self._draft.stage(self._folder, modified=self._internal_date)
        base = self._disk.unique.sized(self._staged.octets, self._staged.wire_octets)
        uid = self._save(self._draft, self._staged, base)
        return Receipt(self._target, base.decode("ascii"), uid)
