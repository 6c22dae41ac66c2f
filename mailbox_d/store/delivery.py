"""The delivery of one message to many mailboxes, in two phases.

First every copy is made whole and durable in the `tmp` of its own mailbox: one file for each block, linked into the
Maildirs of its other recipients (copied where it cannot be linked), and takes its room in the account. Then all are
renamed into `new`, and then all directories are made durable, so that the first of these syncs finds the work of the
others ready to be written.
No lock is needed: the UIDs are given by whoever looks next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mailbox_d.errors import MailError
from mailbox_d.store.copying import NOT_LINKABLE
from mailbox_d.store.disk import Disk
from mailbox_d.store.draft import Draft, Staged
from mailbox_d.store.files import forget, storage_fault, storage_faults
from mailbox_d.store.folder import Folder
from mailbox_d.store.ledger import Claim
from mailbox_d.store.ports import Block, Delivery, Outcome, Receipt, Refusal, Target


@dataclass(slots=True)
class _Copy:
    """One recipient's copy on its way: where to, what was staged for it, or why it cannot be."""

    target: Target
    header: bytes
    folder: Folder | None = None
    staged: Staged | None = None
    name: bytes = b""
    claim: Claim | None = None
    error: MailError | None = None

    @property
    def destination(self) -> bytes:
        assert self.folder is not None
        return self.folder.new + b"/" + self.name

    def settle(self, *, kept: bool) -> None:
        """Keep the room that was taken for it in the account, or give it back."""
        if self.claim is not None:
            self.claim.close(kept=kept)


class MaildirDelivery(Delivery):
    """One message to the targets of its blocks; `resolve` finds a target's folder or raises `MailError`.

    `arrived` is called with every folder that has a new message.
    """

    def __init__(
        self,
        disk: Disk,
        blocks: Sequence[Block],
        resolve: Callable[[Target], Folder],
        arrived: Callable[[Folder], None],
    ) -> None:
        self._disk = disk
        self._arrived = arrived
        self._blocks = [[_resolved(target, block.header, resolve) for target in block.targets] for block in blocks]
        first = next((copies for copies in self._blocks if any(copy.folder for copy in copies)), [])
        hosts = tuple(copy.folder for copy in first if copy.folder is not None)
        self._draft = Draft(disk, hosts, first[0].header if first else b"")
        self._is_refused = not hosts and any(self._blocks)
        """By every recipient, as the outcomes will say: no octet has to be kept."""

    @storage_faults
    def write(self, data: bytes) -> None:
        if not self._is_refused:
            self._draft.write(data)

    def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        copies = [copy for block in self._blocks for copy in block]
        published: list[_Copy] = []
        is_kept = False
        try:
            for block in self._blocks:
                self._stage(block, all_or_nothing)
            self._take_room(copies, all_or_nothing)
            self._publish(copies, published, all_or_nothing)
            self._make_durable(published, all_or_nothing)
            is_kept = True
        except MailError:
            for copy in published:
                forget(self._disk.files, copy.destination)
            raise
        finally:
            self._draft.discard()
            for copy in copies:
                copy.settle(kept=is_kept and copy.error is None)
        for copy in published:
            if copy.folder is not None and copy.error is None:
                self._arrived(copy.folder)
        return tuple(_outcome(copy) for copy in copies)

    def abort(self) -> None:
        self._draft.discard()

    def _stage(self, block: list[_Copy], strict: bool) -> None:
        source: Staged | None = None
        for copy in block:
            if copy.error is None:
                with _faults_of(copy):
                    self._stage_copy(copy, source)
            if strict and copy.error is not None:
                raise copy.error
            source = source or copy.staged

    def _stage_copy(self, copy: _Copy, source: Staged | None) -> None:
        assert copy.folder is not None
        copy.staged = self._link(source, copy.folder) or self._draft.stage(copy.folder, copy.header)
        copy.name = self._disk.unique.sized(copy.staged.octets, copy.staged.wire_octets)

    def _link(self, source: Staged | None, folder: Folder) -> Staged | None:
        """The source linked into the folder, None where there is none or it cannot be linked there."""
        if source is None:
            return None
        try:
            return self._draft.link(source, folder)
        except OSError as error:
            if error.errno in NOT_LINKABLE:
                return None
            raise

    def _take_room(self, copies: Sequence[_Copy], strict: bool) -> None:
        """Take room in the accounts, in the order of their paths: who waits for one holds none that comes later."""
        for copy in sorted(copies, key=lambda copy: copy.folder.maildir if copy.folder else b""):
            if copy.staged is not None and copy.folder is not None:
                with _faults_of(copy):
                    ledger = self._disk.ledgers.of(copy.target.address, copy.folder.maildir)
                    copy.claim = ledger.claim(copy.staged.octets)
            if copy.claim is None:
                copy.staged = None  # what lies in `tmp` goes with the draft
            if strict and copy.error is not None:
                raise copy.error

    def _publish(self, copies: Sequence[_Copy], published: list[_Copy], strict: bool) -> None:
        for copy in copies:
            if copy.staged is None:
                continue
            with _faults_of(copy):
                self._draft.publish(copy.staged, copy.destination)
            if copy.error is None:
                published.append(copy)
            elif strict:
                raise copy.error

    def _make_durable(self, published: Sequence[_Copy], strict: bool) -> None:
        """Sync each directory once; a copy whose directory cannot be synced is taken back."""
        directories: dict[bytes, list[_Copy]] = {}
        for copy in published:
            if copy.folder is not None:
                directories.setdefault(copy.folder.new, []).append(copy)
        for directory, here in directories.items():
            with _faults_of(here[0]):
                self._disk.directories.sync(directory)
            error = here[0].error
            if error is not None and strict:
                raise error
            for copy in here if error is not None else ():
                copy.error = error
                forget(self._disk.files, copy.destination)


def _resolved(target: Target, header: bytes, resolve: Callable[[Target], Folder]) -> _Copy:
    copy = _Copy(target, header)
    try:
        copy.folder = resolve(target)
    except MailError as error:
        copy.error = error
    return copy


@contextmanager
def _faults_of(copy: _Copy) -> Iterator[None]:
    """What goes wrong inside is this copy's error."""
    try:
        yield
    except MailError as error:
        copy.error = error
    except OSError as error:
        copy.error = storage_fault(error)


def _outcome(copy: _Copy) -> Outcome:
    if copy.error is not None:
        return Refusal(copy.target, copy.error)
    return Receipt(copy.target, copy.name.decode("ascii"))
