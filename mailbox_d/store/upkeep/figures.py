"""Accounts and mailboxes in numbers, as they lie on the disk. Nothing is opened, listed or changed."""

from __future__ import annotations

from collections.abc import Iterable

from mailbox_d.errors import MailError, NoSuchMailbox
from mailbox_d.store.disk import Disk
from mailbox_d.store.filename import wire_size
from mailbox_d.store.files import find
from mailbox_d.store.keywords import SYSTEM_LETTERS
from mailbox_d.store.message_file import measure
from mailbox_d.store.ports import SEEN
from mailbox_d.store.upkeep.accounts import AccountPlace, MailboxPlace, mailboxes
from mailbox_d.store.upkeep.inspection import Inspection, Named, look, missing_parts
from mailbox_d.store.upkeep.list_checks import listed_wire_size
from mailbox_d.store.upkeep.steps import AccountFigures, MailboxFigures, Progress, Trouble, Work, one_by_one, reason
from mailbox_d.store.upkeep.verification import index_octets

_SEEN = SYSTEM_LETTERS[SEEN]
_SLICE = 2000


class Figures:
    """Counts accounts."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def accounts(self, places: Iterable[AccountPlace], only: str | None = None) -> Work[None]:
        """Figures of each mailbox, then those of its account."""
        return one_by_one(places, lambda place: self._account(place, only), only)

    def _account(self, place: AccountPlace, only: str | None) -> Work[None]:
        counted: list[MailboxFigures] = []
        for each in mailboxes(self._disk, place, only):
            figures = yield from self._mailbox(each)
            counted += [figures] if figures is not None else []
        if only is None:
            messages, octets = sum(each.messages for each in counted), sum(each.octets for each in counted)
            yield AccountFigures(
                place.user, len(counted), messages, octets, index_octets(self._disk.files, place.maildir)
            )

    def _mailbox(self, place: MailboxPlace) -> Work[MailboxFigures | None]:
        try:
            missing, wrong = missing_parts(self._disk, place.folder)
            if missing or wrong:
                yield Trouble(place.user, place.mailbox, "cur, new or tmp is missing: see mailboxctl store verify")
                return None
            seen = look(self._disk, place.folder)
            octets = yield from self._octets(place, seen)
        except NoSuchMailbox:
            return None
        except (OSError, MailError) as error:
            yield Trouble(place.user, place.mailbox, reason(error))
            return None
        figures = MailboxFigures(
            user=place.user,
            mailbox=place.mailbox,
            messages=len(seen.by_base),
            octets=octets,
            unseen=sum(each.is_new or _SEEN not in each.letters for each in seen.by_base.values()),
            uid_next=seen.uid_next + sum(base not in seen.lines.uid_of for base in seen.by_base),
            uid_validity=seen.header.uid_validity,
            last=self._last(seen),
            dead=sum(base not in seen.by_base for base in seen.lines.uid_of),
        )
        yield figures
        return figures

    def _octets(self, place: MailboxPlace, seen: Inspection) -> Work[int]:
        """Octets of all messages on the wire; read from their files where neither name nor list tells."""
        octets = 0
        for done, each in enumerate(seen.by_base.values(), 1):
            octets += self._size(each, seen)
            if done % _SLICE == 0:
                yield Progress(f"{place.user} {place.mailbox}", done, len(seen.by_base))
        return octets

    def _size(self, each: Named, seen: Inspection) -> int:
        told = wire_size(each.base)
        if told is None:
            told = listed_wire_size(seen.lines.extensions.get(each.base, b""))
        if told is not None:
            return told
        try:
            return measure(self._disk.files, each.path)
        except (OSError, MailError):
            return 0

    def _last(self, seen: Inspection) -> float:
        """When the message with the highest UID came, or one that has none yet."""
        uids = seen.lines.uid_of
        newest = max(seen.by_base.values(), key=lambda each: uids.get(each.base, 2**32), default=None)
        status = find(self._disk.files, newest.path) if newest is not None else None
        return status.st_mtime if status is not None else 0.0
