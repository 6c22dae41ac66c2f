"""The way back to Dovecot: what it has to be told, that nobody works in the account, and that nothing of ours is left
but the number that mod-sequences go on above when the account comes back, and whose a Maildir is that is not in its
place by the layout.

Whatever Dovecot needs is in its own files already. Its mod-sequences are smaller than ours, so a client that knows ours
would hear of no change: `doveadm mailbox update --min-highest-modseq` raises them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from stat import S_ISREG

from mailbox_d.store.disk import Disk
from mailbox_d.store.files import find, forget
from mailbox_d.store.folder import Folder
from mailbox_d.store.layout import OWNER
from mailbox_d.store.mod_sequences import FILE_NAME, ModSequences
from mailbox_d.store.upkeep.accounts import AccountPlace, MailboxPlace, mailboxes
from mailbox_d.store.upkeep.inspection import inspect
from mailbox_d.store.upkeep.steps import Command, Mended, Note, Pause, Progress, Trouble, Work, one_by_one, patiently

OWN_PREFIX = b"mailboxd"
"""With which the name of every file begins that is ours alone."""

_LOCK = b".lock"
_PAUSE = 0.5

Sessions = Callable[[str], int]
"""How many sessions of a user are open."""


class Release:
    """Hands accounts back. With `purges` our own files are removed. Nobody may be at work: sessions are waited for,
    until `patience` (seconds) ends."""

    def __init__(self, disk: Disk, sessions: Sessions, *, purges: bool, patience: float) -> None:
        self._disk = disk
        self._sessions = sessions
        self._purges = purges
        self._patience = patience

    def accounts(self, places: Iterable[AccountPlace], only: str | None = None) -> Work[None]:
        """Every account, whole."""
        return one_by_one(places, self._account)

    def _account(self, place: AccountPlace) -> Work[None]:
        if not (yield from self._without_sessions(place)):
            return
        found = mailboxes(self._disk, place)
        for each in found:
            yield from patiently(lambda each=each: inspect(self._disk, each.folder))  # type: ignore[misc]
        yield from self._commands(place, found)
        if self._purges:
            for path in self._own_files(place, found):
                self._remove(path)
                yield Mended("own-file", place.user, "", path, "removed it")
            yield from self._what_stays(place)

    def _without_sessions(self, place: AccountPlace) -> Work[bool]:
        waited = 0.0
        while (count := self._sessions(place.user)) and waited < self._patience:
            yield Progress(f"{place.user}: waiting for {count} sessions to end", int(waited), int(self._patience), "s")
            yield Pause(_PAUSE)
            waited += _PAUSE
        if count:
            text = f"{count} sessions are open: disable the user, or stop mailboxd, and try again"
            yield Trouble(place.user, "", text)
        return not count

    def _commands(self, place: AccountPlace, found: Iterable[MailboxPlace]) -> Work[None]:
        """What Dovecot has to be told, mailbox by mailbox."""
        floor = self._modseq_floor(place)
        if not floor:
            yield Note(place.user, "no mod-sequences were given out: Dovecot needs to be told nothing")
            return
        update = ("doveadm", "mailbox", "update", "-u", place.user, "--min-highest-modseq", str(floor))
        for each in found:
            yield Command(place.user, each.mailbox, (*update, each.mailbox))

    def _what_stays(self, place: AccountPlace) -> Work[None]:
        if self._modseq_floor(place):
            name = os.fsdecode(FILE_NAME)
            yield Note(place.user, f"{name} stays for when it comes back, or clients would miss changes then")

    def _modseq_floor(self, place: AccountPlace) -> int:
        """No mod-sequence above it was told of any mailbox of the account; 0 where none was told."""
        return ModSequences(self._disk.files, place.maildir, self._disk.clock).promised()

    def _own_files(self, place: AccountPlace, found: Iterable[MailboxPlace]) -> Iterable[bytes]:
        """Our own files in the Maildir and its folders, but for what stays: plain ones only, and no lock that somebody
        holds."""
        for folder in dict.fromkeys([Folder(place.maildir), *(each.folder for each in found)]):
            for name in sorted(self._disk.files.names(folder.path)):
                path = folder.path + b"/" + name
                status = find(self._disk.files, path) if name.startswith(OWN_PREFIX) else None
                stays = name in (FILE_NAME, OWNER) or name.endswith(_LOCK)
                if status is not None and S_ISREG(status.st_mode) and not stays:
                    yield path

    def _remove(self, path: bytes) -> None:
        if not forget(self._disk.files, path):
            raise OSError(f"{os.fsdecode(path)} cannot be removed")
