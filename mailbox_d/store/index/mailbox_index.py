"""The index of one mailbox that is open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from mailbox_d.errors import MailboxBusy
from mailbox_d.store.folder_view import FolderView
from mailbox_d.store.index.answers import Answers
from mailbox_d.store.index.index_file import IndexFile
from mailbox_d.store.ports import Index


class MailboxIndex(Index):
    """What was said of this mailbox's messages, which are known by the names that their files have for life."""

    def __init__(self, file: IndexFile, view: FolderView, vanished: Callable[[int], Collection[int] | None]) -> None:
        """`vanished` as in `ports.Mailbox`."""
        self._file = file
        self._view = view
        self._vanished = vanished
        self._tidied = 0
        """The mod-sequence up to which nothing is kept of messages that are gone, as far as that is known here."""

    def remembered(self, attribute: bytes, uids: Sequence[int]) -> Mapping[int, bytes]:
        return self._answers().remembered(attribute, self._bases(uids))

    def remember(self, attribute: bytes, said: Mapping[int, bytes]) -> None:
        bases = self._bases(said)
        self._answers().remember(attribute, [(uid, base, said[uid]) for uid, base in bases.items()])

    def attributes(self) -> Sequence[bytes]:
        return self._answers().attributes()

    def unknown(self, attribute: bytes) -> Sequence[int]:
        answers = self._answers()
        if answers.is_full():
            return ()
        known = answers.known(attribute)
        return [uid for uid in self._view.listing.snapshot().uids if uid not in known]

    def paths(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        places = ((uid, self._view.listing.place(uid)) for uid in uids)
        return {uid: self._view.path(place) for uid, place in places if place is not None}

    def tidy(self) -> None:
        history = self._view.history
        highest = history.highest
        try:
            gone = self._vanished(self._tidied or history.reaches_back_to)
        except MailboxBusy:
            return
        self._tidied = highest
        if gone is None:
            self._answers().sweep(self._view.listing.snapshot().uids)
        elif gone:
            self._answers().forget_messages(gone)

    def _answers(self) -> Answers:
        return Answers(self._file, self._view.key())

    def _bases(self, uids: Sequence[int] | Mapping[int, bytes]) -> dict[int, bytes]:
        base = self._view.listing.base
        return {uid: found for uid in uids if (found := base(uid)) is not None}
