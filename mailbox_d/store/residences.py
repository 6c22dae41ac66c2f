"""Where users' Maildirs are to lie, as their realm has it, and that each lies there.

A Maildir that is not in its place by the layout has a link there instead, which is read and never followed: so whoever
knows no realm finds it too. In it `mailboxd-owner` says whose it is. What cannot be is a fault, and never
another user's mail: nothing is made, and nothing is moved, where there is any doubt.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError, StorageFault
from mailbox_d.seldom import Seldom
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import FileSystem, find, forget, make_directories, parent, read_whole, write_new
from mailbox_d.store.folder import make_maildir
from mailbox_d.store.layout import OWNER, Layout

_OWNER_MAX = 4096
_HEADER: Final = b"mailboxd owner 1\n"
_OURS = (b"cur", b"new", b"tmp")


@dataclass(frozen=True, slots=True)
class Residence:
    """Where a user's Maildir is to lie (None: where the layout has it), and whether it is made where it is missing."""

    maildir: str | None = None
    provision: bool = True


def _everybody_is_at_home(address: EmailAddress) -> Residence | None:
    return Residence()


@dataclass(frozen=True, slots=True)
class ResidenceRules:
    """Where all users are to be.

    `of` tells it of a user's own address, None where nothing is known of the user now; it waits for nothing and may be
    called from any thread. Below the folders of these `domains` all is as the layout has it.
    """

    of: Callable[[EmailAddress], Residence | None] = _everybody_is_at_home
    domains: Collection[str] = field(default_factory=frozenset)

    def are_plain(self, address: EmailAddress) -> bool:
        """Whether the user's Maildir lies where the layout has it, and is made where it is missing."""
        return self.of(address) == Residence()


class ResidenceFault(StorageFault):
    """A user's Maildir is not where it is to be, or what is there is not theirs. Only the operator can change it."""

    def __init__(self, cause: str) -> None:
        super().__init__("The mailbox is not available now", cause=cause)


class Residences:
    """The users' Maildirs, each where the rules have it. Safe to call from several threads."""

    _log = Logger()

    def __init__(self, disk: Disk, layout: Layout, rules: ResidenceRules) -> None:
        self._files = disk.files
        self._layout = layout
        self._rules = rules
        self._making = threading.Lock()
        self._seldom = Seldom(disk.clock)

    def maildir(self, address: EmailAddress, *, make: bool = True) -> bytes:
        """The path of a user's Maildir; with `make` it is made to be there, where that is allowed.

        Raises `ResidenceFault`, told in the log, `AddressError`, `OSError`.
        """
        try:
            return self._maildir(address, make)
        except ResidenceFault as fault:
            self._tell(address, fault)
            raise

    def _maildir(self, address: EmailAddress, make: bool) -> bytes:
        there = self._layout.maildir(address)
        residence = self._rules.of(address)
        if residence is None:
            return self._existing(address, there, "nothing is known of the user at the moment")
        if residence.maildir is None and not residence.provision:
            return self._existing(address, there, "provision is false: make it, or mount it")
        if residence.maildir is None and there != self._layout.own(address):
            return self._existing(address, there, "a link leads there: remove that, if the user is to have a new one")
        if residence.maildir is None:
            self._is_marked(address, there)
            if make:
                make_maildir(self._files, there)
            return there
        wanted = self._wanted(address, residence.maildir)
        self._refuse_two(address, wanted, there)
        if self._stands(wanted, residence.provision) and self._is_marked(address, wanted) and wanted == there:
            return wanted
        self._refuse_domains(address, wanted)
        if make:
            with self._making:
                self._stands(wanted, residence.provision)  # or another one has just moved in on the way, or below
                self._move_in(address, wanted)
        return wanted

    def _existing(self, address: EmailAddress, maildir: bytes, why: str) -> bytes:
        """A Maildir that the realm says nothing of. Raises `ResidenceFault` where none is, or another one's."""
        if find(self._files, maildir + b"/cur") is None:
            raise ResidenceFault(f"there is no Maildir at {_shown(maildir)} ({why})")
        self._is_marked(address, maildir)
        return maildir

    def _wanted(self, address: EmailAddress, text: str) -> bytes:
        """The path that the realm names. Raises `ResidenceFault` for one that cannot be anybody's but another's."""
        try:
            wanted = self._layout.at(text)
        except AddressError as error:
            raise ResidenceFault(f"the realm's maildir cannot be: {error.cause}") from error
        first = self._layout.below(wanted)[0]
        if wanted != self._layout.own(address) and os.fsdecode(first).lower() in self._rules.domains:
            raise ResidenceFault(f"{_shown(wanted)} is in the folder of a domain, and not the user's place there")
        return wanted

    def _refuse_domains(self, address: EmailAddress, wanted: bytes) -> None:
        """The same of folders that are one on a disk which takes several spellings for one name. It is asked of who
        moves in, and of nobody who is there."""
        root = os.fsencode(self._layout.root) + b"/"
        status = find(self._files, root + self._layout.below(wanted)[0])
        if status is None or wanted == self._layout.own(address):
            return
        for domain in self._rules.domains:
            other = find(self._files, root + os.fsencode(domain))
            if other is not None and (other.st_dev, other.st_ino) == (status.st_dev, status.st_ino):
                raise ResidenceFault(f"{_shown(wanted)} is in the folder of {domain}, and not the user's place there")

    def _stands(self, wanted: bytes, provision: bool) -> bool:
        """Whether a Maildir is there; false where one is to be made. Raises `ResidenceFault` for anything else."""
        if self._is_maildir(wanted):
            return True
        if not provision:
            raise ResidenceFault(f"there is no Maildir at {_shown(wanted)} (provision is false: make it, or mount it)")
        return False

    def _is_maildir(self, wanted: bytes) -> bool:
        """Whether a Maildir is there; false where nothing is. Raises `ResidenceFault` for anything else."""
        self._check_way(wanted)
        status = find(self._files, wanted)
        if status is None:
            return False
        if not stat.S_ISDIR(status.st_mode):
            raise ResidenceFault(f"{_shown(wanted)} is no directory")
        if status.st_uid != os.geteuid():
            raise ResidenceFault(f"{_shown(wanted)} belongs to the user with the number {status.st_uid}: use chown")
        if find(self._files, wanted + b"/cur") is None:
            if any(name not in _OURS for name in self._files.names(wanted)):
                raise ResidenceFault(f"{_shown(wanted)} has something else than a Maildir in it")
            return False
        return True

    def _check_way(self, wanted: bytes) -> None:
        """No directory on the way is a link, or another one's Maildir."""
        path = os.fsencode(self._layout.root)
        for name in self._layout.below(wanted)[:-1]:
            path += b"/" + name
            status = find(self._files, path)
            if status is None:
                return
            if not stat.S_ISDIR(status.st_mode):
                raise ResidenceFault(f"{_shown(path)} is no directory")
            if find(self._files, path + b"/cur") is not None:
                raise ResidenceFault(f"{_shown(wanted)} is inside another Maildir")

    def _is_marked(self, address: EmailAddress, maildir: bytes) -> bool:
        """Whether the Maildir is known to be the user's; false where it is nobody's yet."""
        owner = read_whole(self._files, maildir + b"/" + OWNER, _OWNER_MAX)
        if owner is not None and owner != _owned_by(address):
            whose = owner.removeprefix(_HEADER).decode("utf-8", "replace").strip()
            text = f"{_shown(maildir)} is of {whose!r}, as {os.fsdecode(OWNER)} in it says: remove that if it is wrong"
            raise ResidenceFault(text)
        return owner is not None

    def _refuse_two(self, address: EmailAddress, wanted: bytes, there: bytes) -> None:
        """A Maildir in the place by the layout, or where the link in it leads, has mail in it that would not be seen
        any more."""
        own = self._layout.own(address)
        status = find(self._files, own)
        if wanted == own:
            if status is not None and not stat.S_ISDIR(status.st_mode):
                raise ResidenceFault(f"{_shown(own)} is a link: put the Maildir itself there")
        elif status is not None and stat.S_ISDIR(status.st_mode):
            raise ResidenceFault(f"there is a Maildir at {_shown(own)}: move it to {_shown(wanted)}")
        elif there not in (own, wanted) and self._is_left_behind(address, there):
            raise ResidenceFault(f"the user's Maildir is at {_shown(there)}: move it to {_shown(wanted)}")

    def _is_left_behind(self, address: EmailAddress, there: bytes) -> bool:
        is_maildir = find(self._files, there + b"/cur") is not None
        return is_maildir and not is_of_another(self._files, there, address)

    def _move_in(self, address: EmailAddress, wanted: bytes) -> None:
        """Have the Maildir there, marked as the user's, and a link to it in the place by the layout: in this order, so
        that whatever ends it in the middle can be done again."""
        make_maildir(self._files, wanted)
        if not self._is_marked(address, wanted):
            self._mark(address, wanted)
        own = self._layout.own(address)
        if own != wanted:
            make_directories(self._files, parent(own))
            self._link(own, b"../../" + b"/".join(self._layout.below(wanted)))

    def _mark(self, address: EmailAddress, maildir: bytes) -> None:
        draft = maildir + b"/tmp/" + OWNER + b".%d.%d" % (os.getpid(), threading.get_ident())
        forget(self._files, draft)
        write_new(self._files, draft, _owned_by(address))
        try:
            self._files.link(draft, maildir + b"/" + OWNER)
        except FileExistsError:
            self._is_marked(address, maildir)  # which raises where another one was quicker
        finally:
            forget(self._files, draft)
        self._files.fsync_directory(maildir)

    def _link(self, own: bytes, text: bytes) -> None:
        """One step: a link that stood there leads to the old place, or to the new one."""
        draft = own + b".mailboxd"
        forget(self._files, draft)
        self._files.symlink(text, draft)
        self._files.rename(draft, own)
        self._files.fsync_directory(parent(own))

    def _tell(self, address: EmailAddress, fault: ResidenceFault) -> None:
        if self._seldom.is_due(address):
            self._log.error("No mail for {user} and no mailbox now: {cause}", user=str(address), cause=fault.cause)


def is_of_another(files: FileSystem, maildir: bytes, address: EmailAddress) -> bool:
    """Whether a Maildir says that it is somebody else's. Raises `OSError`."""
    path = maildir + b"/" + OWNER
    return find(files, path) is not None and read_whole(files, path, _OWNER_MAX) not in (None, _owned_by(address))


def _owned_by(address: EmailAddress) -> bytes:
    return _HEADER + f"{address.folded}\n".encode()


def _shown(path: bytes) -> str:
    return repr(os.fsdecode(path))
