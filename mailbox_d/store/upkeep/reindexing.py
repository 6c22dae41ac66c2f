"""What the index says of messages is forgotten and made again, by child processes.

The text that SEARCH keeps is forgotten with it, and kept again as clients search. What happened to messages stays
known, or clients would have to ask for everything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from mailbox_d.errors import MailError
from mailbox_d.store.disk import Disk
from mailbox_d.store.index.answers import forget_answers
from mailbox_d.store.ports import INBOX, Mailbox, Store
from mailbox_d.store.upkeep import contents
from mailbox_d.store.upkeep.accounts import AccountPlace, address_of, mailboxes
from mailbox_d.store.upkeep.steps import Note, Progress, Trouble, Work, ask, one_by_one, patiently, reason
from mailbox_d.store.upkeep.verification import Rework

_PIECE = 200
_ASKED_AT_ONCE = 4
_NAMES_MAX = 8


class Wanted(Rework, Protocol):
    """Who also knows what clients like to ask."""

    def usual(self) -> Sequence[bytes]:
        """Under which names to remember where no client has asked for anything yet."""


class Reindexing:
    """Makes indexes again: what clients asked for last, of every message."""

    def __init__(self, store: Store, disk: Disk, rework: Wanted) -> None:
        self._store = store
        self._disk = disk
        self._rework = rework

    def accounts(self, places: Iterable[AccountPlace], only: str | None = None) -> Work[None]:
        """Every account; with a mailbox's name what the index says of the others is forgotten all the same."""
        return one_by_one(places, lambda place: self._account(place, only), only)

    def _account(self, place: AccountPlace, only: str | None) -> Work[None]:
        account = self._store.account(address_of(place))
        index = self._disk.indexes.of(place.maildir)
        inbox = yield from patiently(lambda: account.open(INBOX))
        names = [each for each in inbox.index.attributes() if self._rework.is_known(each)][:_NAMES_MAX]
        names = names or list(self._rework.usual())
        forget_answers(index)
        self._disk.texts.of(place.maildir).remove()
        for each in mailboxes(self._disk, place, only):
            try:
                mailbox = yield from patiently(lambda name=each.mailbox: account.open(name))  # type: ignore[misc]
                yield from self._mailbox(place.user, mailbox, names)
            except (OSError, MailError) as error:
                yield Trouble(place.user, each.mailbox, reason(error))

    def _mailbox(self, user: str, mailbox: Mailbox, names: Sequence[bytes]) -> Work[None]:
        uids = list(reversed(mailbox.messages().uids))
        done, failed = 0, 0
        for batch in contents.pieces(contents.pieces(uids, _PIECE), _ASKED_AT_ONCE):
            paths = [mailbox.index.paths(piece) for piece in batch]
            answered = yield from ask([self._rework.question(names, list(each.values())) for each in paths])
            for piece, found, answer in zip(batch, paths, answered, strict=True):
                if answer is None:
                    failed += len(found)
                else:
                    self._remember(mailbox, names, list(found), self._rework.answers(answer, len(names)))
                done += len(piece)
                yield Progress(f"{user} {mailbox.name}", done, len(uids))
        if failed:
            yield Note(user, f"{failed} messages of {mailbox.name} could not be indexed; they are when a client asks")

    def _remember(
        self, mailbox: Mailbox, names: Sequence[bytes], uids: Sequence[int], said: Sequence[Sequence[bytes]]
    ) -> None:
        for place, name in enumerate(names):
            rows = {uid: each[place] for uid, each in zip(uids, said, strict=False)}
            mailbox.index.remember(name, rows)
