"""Which accounts a store has, and which folders an account: what lies on the disk, whoever knows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from stat import S_ISDIR

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError, NoSuchMailbox
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import find
from mailbox_d.store.folder import Folder
from mailbox_d.store.layout import MAILDIR, Layout
from mailbox_d.store.names import canonical_name, folder_of, name_of
from mailbox_d.store.ports import INBOX
from mailbox_d.store.residences import is_of_another


@dataclass(frozen=True, slots=True)
class AccountPlace:
    """A user's address as text, and where the Maildir lies."""

    user: str
    maildir: bytes


@dataclass(frozen=True, slots=True)
class MailboxPlace:
    """A mailbox of an account, and its folder."""

    user: str
    mailbox: str
    folder: Folder


def every_account(disk: Disk, layout: Layout) -> Iterator[AccountPlace]:
    """Every Maildir of the store, in order of domains and users. Raises `OSError`."""
    root = os.fsencode(layout.root)
    for domain in _folders(disk, root):
        for local_part in _folders(disk, root + b"/" + domain):
            maildir = layout.resolved(b"/".join((root, domain, local_part, MAILDIR)))
            address = EmailAddress(_text(local_part), _text(domain))
            if find(disk.files, maildir) is not None and not is_of_another(disk.files, maildir, address):
                yield AccountPlace(str(address), maildir)


def one_account(disk: Disk, layout: Layout, user: str) -> AccountPlace:
    """The account of an address as the user logs in with. Raises `NoSuchMailbox`, `AddressError`, `OSError`."""
    address = EmailAddress.parse(user)
    maildir = layout.maildir(address)
    status = find(disk.files, maildir)
    if status is None:
        raise NoSuchMailbox("There is no such account", cause=f"{os.fsdecode(maildir)} is not there")
    if is_of_another(disk.files, maildir, address):
        raise NoSuchMailbox("There is no such account", cause=f"{os.fsdecode(maildir)} is another user's")
    return AccountPlace(str(EmailAddress(address.key, address.domain)), maildir)


def mailboxes(disk: Disk, place: AccountPlace, only: str | None = None) -> list[MailboxPlace]:
    """The mailboxes of an account, INBOX first, or the one of a name. Raises `NoSuchMailbox`, `OSError`."""
    if only is not None:
        return [_one_mailbox(disk, place, only)]
    limits = disk.settings.names
    named = {name: each for each in disk.files.directories(place.maildir) if (name := name_of(each, limits))}
    inbox = MailboxPlace(place.user, INBOX, Folder(place.maildir))
    return [inbox, *(MailboxPlace(place.user, name, Folder(place.maildir, named[name])) for name in sorted(named))]


def _one_mailbox(disk: Disk, place: AccountPlace, name: str) -> MailboxPlace:
    canonical = canonical_name(name, disk.settings.names)
    folder = Folder(place.maildir, folder_of(canonical))
    status = find(disk.files, folder.path)
    if status is None or not S_ISDIR(status.st_mode):
        raise NoSuchMailbox("There is no such mailbox")
    return MailboxPlace(place.user, canonical, folder)


def _folders(disk: Disk, path: bytes) -> list[bytes]:
    """What can be a domain's or a user's folder; a link may lead to another disk."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(name for name in disk.files.names(path) if not name.startswith(b"."))
    return []


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def address_of(place: AccountPlace) -> EmailAddress:
    """The address under which the store knows an account. Raises `AddressError` for folders that are nobody's."""
    try:
        return EmailAddress.parse(place.user)
    except (AddressError, UnicodeError) as error:
        raise AddressError("This folder's name is no address", cause=place.user) from error
