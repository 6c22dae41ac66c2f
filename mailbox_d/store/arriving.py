"""Messages on their way into one mailbox (APPEND): of many that come at once, one thread puts all in their places.

Who comes while nobody is at it puts its message in its place; who comes meanwhile waits, and one of those goes on with
the messages of all of them. They share the folder's lock, the look at it, the line on the list and both syncs. Each
message stands for itself, but for what goes wrong with the folder.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from mailbox_d.errors import MailError
from mailbox_d.store.disk import Disk
from mailbox_d.store.draft import Draft, Staged
from mailbox_d.store.filename import sort_letters
from mailbox_d.store.files import forget
from mailbox_d.store.folder_files import FolderFiles
from mailbox_d.store.folder_view import FolderView
from mailbox_d.store.ledger import Claim, Ledger
from mailbox_d.store.listing import Place
from mailbox_d.store.ports import Flags


@dataclass(slots=True, eq=False)
class Arrival:
    """A message in `tmp` that is to be put under a base name into a mailbox, and what came of that."""

    draft: Draft
    staged: Staged
    base: bytes
    flags: Flags
    place: Place | None = None
    claim: Claim | None = None
    uid: int | None = None
    error: BaseException | None = None
    turn: threading.Event = field(default_factory=threading.Event)
    """It is there or is not to be, or its own thread is to put it there."""

    @property
    def is_settled(self) -> bool:
        return self.uid is not None or self.error is not None


class Arrivals:
    """Those of one mailbox; `changing` holds its folder, in step with the disk."""

    def __init__(
        self,
        disk: Disk,
        view: FolderView,
        files: FolderFiles,
        ledger: Ledger,
        changing: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._disk = disk
        self._view = view
        self._files = files
        self._ledger = ledger
        self._changing = changing
        self._guard = threading.Lock()
        self._waiting: list[Arrival] = []
        self._is_led = False

    def put(self, arrival: Arrival) -> int:
        """Put a message in its place, durable; its UID. Raises what goes wrong; nothing is left then but what is in
        `tmp`, which after `MailboxBusy` can be put again."""
        with self._guard:
            self._waiting.append(arrival)
            leads, self._is_led = not self._is_led, True
        if not leads:
            arrival.turn.wait()
        if not arrival.is_settled:
            self._lead()
        if arrival.error is not None:
            raise arrival.error
        assert arrival.uid is not None
        return arrival.uid

    def _lead(self) -> None:
        """Put all in their places that wait; then let one go on of those that have come meanwhile."""
        with self._guard:
            arrivals, self._waiting = self._waiting, []
        try:
            self._put_all(arrivals)
        except BaseException as error:
            _fail(arrivals, error)
        finally:
            with self._guard:
                following = self._waiting[:1]
                self._is_led = bool(following)
            for arrival in [*arrivals, *following]:
                arrival.turn.set()

    def _put_all(self, arrivals: Sequence[Arrival]) -> None:
        try:
            with self._changing():
                with self._view.adding_to_new():
                    for arrival in arrivals:
                        self._put_one(arrival)
                self._settle([arrival for arrival in arrivals if arrival.error is None])
        finally:
            for arrival in arrivals:
                if arrival.claim is not None:
                    arrival.claim.close(kept=arrival.uid is not None)

    def _put_one(self, arrival: Arrival) -> None:
        try:
            arrival.claim = self._ledger.claim(arrival.staged.octets)
            self._view.meanings.learn(arrival.flags)
            letters = sort_letters(self._view.meanings.keywords.letters(arrival.flags))
            place = Place.arriving(arrival.base, letters)
            arrival.draft.publish(arrival.staged, self._view.path(place))
            arrival.place = place
        except (OSError, MailError) as error:
            arrival.error = error

    def _settle(self, arrivals: Sequence[Arrival]) -> None:
        """List what is in its place, and make both durable: the list first, for whose sake the disk writes down the
        names as well. A UID whose message is not there in the end is spent."""
        placed = [(arrival.place, arrival.staged.wire_octets) for arrival in arrivals if arrival.place is not None]
        if not placed:
            return
        try:
            uids = self._view.list_own([place for place, _ in placed])
            self._files.sync({place.is_new for place, _ in placed})
            self._view.show_own(uids, placed)
        except BaseException:
            for place, _ in placed:
                forget(self._disk.files, self._view.path(place))
            raise
        for arrival, uid in zip(arrivals, uids, strict=True):
            arrival.uid = uid


def _fail(arrivals: Sequence[Arrival], error: BaseException) -> None:
    for arrival in arrivals:
        if not arrival.is_settled:
            arrival.error = error
