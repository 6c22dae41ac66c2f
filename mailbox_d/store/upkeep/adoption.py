"""A Maildir that Dovecot kept is taken over where it lies: what is kept, what cannot be, and what has to be done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from mailbox_d.store.disk import Disk
from mailbox_d.store.files import find
from mailbox_d.store.folder import PARTS, Folder
from mailbox_d.store.keywords import Keywords
from mailbox_d.store.mod_sequences import FILE_NAME
from mailbox_d.store.ports import SpecialUse, Store
from mailbox_d.store.upkeep.accounts import AccountPlace, MailboxPlace, address_of, mailboxes
from mailbox_d.store.upkeep.inspection import look, missing_parts
from mailbox_d.store.upkeep.repair import Repair
from mailbox_d.store.upkeep.steps import Mended, Note, Trouble, Work, one_by_one, patiently
from mailbox_d.store.upkeep.verification import Verification

USUAL_USES: Mapping[str, SpecialUse] = {
    "drafts": SpecialUse.DRAFTS,
    "sent": SpecialUse.SENT,
    "sent items": SpecialUse.SENT,
    "sent messages": SpecialUse.SENT,
    "sent mail": SpecialUse.SENT,
    "trash": SpecialUse.TRASH,
    "deleted items": SpecialUse.TRASH,
    "deleted messages": SpecialUse.TRASH,
    "junk": SpecialUse.JUNK,
    "junk e-mail": SpecialUse.JUNK,
    "spam": SpecialUse.JUNK,
    "archive": SpecialUse.ARCHIVE,
    "archives": SpecialUse.ARCHIVE,
}
"""What mailboxes of these names are for: Dovecot's own defaults, and what usual clients make."""

_NOT_TAKEN = {
    b"dovecot-acl": "shared mailboxes (dovecot-acl): nobody but the owner sees them here",
    b".dovecot.sieve": "Sieve scripts: this version runs none",
    b"sieve": "Sieve scripts: this version runs none",
    b"dovecot.mailbox.log": "the log that dsync uses; it is left as it is",
    b"dovecot-virtual": "virtual mailboxes",
}

_INDEX_NOTE = (
    "in Dovecot's index alone, where nobody else sees them, and not kept: keywords beyond the 26th of a mailbox, "
    "mod-sequences, flags that Dovecot could not write to a file"
)


class Adoption:
    """Looks at accounts as one takes a house over. With `changes` it also does what has to be done."""

    def __init__(self, store: Store, disk: Disk, verification: Verification, repair: Repair, *, changes: bool) -> None:
        self._store = store
        self._disk = disk
        self._verification = verification
        self._repair = repair
        self._changes = changes

    def accounts(self, places: Iterable[AccountPlace], only: str | None = None) -> Work[None]:
        """Every account; `only` has no meaning, since an account is taken over whole."""
        return one_by_one(places, self._account)

    def _account(self, place: AccountPlace) -> Work[None]:
        was_here = self._disk.mod_sequences.of(place.maildir).promised() > 0
        yield from self._layout(place)
        work = self._repair if self._changes else self._verification
        yield from work.accounts([place])
        for each in mailboxes(self._disk, place):
            yield from self._mailbox(each)
        yield from self._uses(place)
        if was_here:
            yield from self._numbers(place)

    def _layout(self, place: AccountPlace) -> Work[None]:
        """What Dovecot left in the Maildir that is no mail."""
        names = self._disk.files.names(place.maildir)
        if any(name.startswith(b"dovecot.index") for name in names):
            yield Note(place.user, _INDEX_NOTE)
        for name in sorted(_NOT_TAKEN.keys() & set(names)):
            yield Note(place.user, f"not taken over: {_NOT_TAKEN[name]}")
        for name in self._disk.files.directories(place.maildir):
            if not name.startswith(b".") and name not in PARTS and self._holds_mail(place.maildir + b"/" + name):
                text = f"{os.fsdecode(name)} is a mailbox of Dovecot's LAYOUT=fs: rename it to .{os.fsdecode(name)}"
                yield Trouble(place.user, "", text)

    def _holds_mail(self, path: bytes) -> bool:
        return find(self._disk.files, path + b"/cur") is not None

    def _mailbox(self, place: MailboxPlace) -> Work[None]:
        """What of a mailbox is kept."""
        missing, wrong = missing_parts(self._disk, place.folder)
        if missing or wrong:
            return
        seen = look(self._disk, place.folder)
        listed = sum(each.base in seen.lines.uid_of for each in seen.files)
        keywords = Keywords.parse(seen.keywords or b"")
        text = (
            f"{place.mailbox}: {len(seen.files)} messages, {listed} with their UIDs, "
            f"UIDVALIDITY {seen.header.uid_validity or 'new'}, {len(keywords.names)} keywords"
        )
        yield Note(place.user, text)
        if keywords.is_full():
            yield Note(place.user, f"{place.mailbox} has 26 keywords: Dovecot may know more, which cannot be seen here")

    def _uses(self, place: AccountPlace) -> Work[None]:
        """Say what mailboxes are for, by their names, where nobody has said so yet."""
        if any(missing_parts(self._disk, Folder(place.maildir))):
            return
        account = self._store.account(address_of(place))
        if account.special_uses() is not None:
            return
        names = [listed.name for listed in account.mailboxes() if listed.selectable]
        uses = {name: USUAL_USES[name.lower()] for name in names if name.lower() in USUAL_USES}
        told = ", ".join(f"{name} ({use.value})" for name, use in uses.items()) or "none"
        if not self._changes:
            yield Note(place.user, f"special uses to be assigned: {told}; with --yes")
            return
        yield from patiently(lambda: account.assign_special_uses(uses))
        yield Mended("special-use", place.user, "", place.maildir + b"/mailboxd-special-use", f"assigned: {told}")

    def _numbers(self, place: AccountPlace) -> Work[None]:
        """Of an account that was here before, clients may know mod-sequences that Dovecot counted on from ours."""
        if not self._changes:
            yield Note(place.user, "it was here before: mod-sequences leap above those that Dovecot gave; with --yes")
            return
        self._disk.indexes.of(place.maildir).remove()
        self._disk.mod_sequences.of(place.maildir).leap()
        path = place.maildir + b"/" + FILE_NAME
        yield Mended("mod-sequences", place.user, "", path, "leapt above Dovecot's, and removed the index")
