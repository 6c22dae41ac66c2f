"""From a request to work on the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailbox_d.errors import AddressError, MailError, NoSuchMailbox
from mailbox_d.store.disk import Disk
from mailbox_d.store.folder import Folder
from mailbox_d.store.layout import Layout
from mailbox_d.store.ports import Store
from mailbox_d.store.upkeep.accounts import AccountPlace, every_account, one_account
from mailbox_d.store.upkeep.adoption import Adoption
from mailbox_d.store.upkeep.figures import Figures
from mailbox_d.store.upkeep.reindexing import Reindexing, Wanted
from mailbox_d.store.upkeep.release import Release
from mailbox_d.store.upkeep.repair import Repair
from mailbox_d.store.upkeep.steps import Trouble, Work, reason
from mailbox_d.store.upkeep.verification import Verification
from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.requests import Request, Verb

CHANGING = frozenset({Verb.REPAIR, Verb.REINDEX})
"""What changes something in any case."""


def changes(request: Request) -> bool:
    """Whether a request changes anything, so that two programs must not work on it at once."""
    return request.verb in CHANGING or request.yes or request.purge


@dataclass(frozen=True, slots=True)
class Workshop:
    """What work on a store needs. `text_name`: under which name texts are kept for SEARCH. `sessions` tells how many
    sessions of a user are open; `ended` tells sessions that a folder was replaced under them."""

    store: Store
    disk: Disk
    layout: Layout
    rework: Wanted
    text_name: bytes
    sessions: Callable[[str], int]
    ended: Callable[[Folder], None]

    def work(self, request: Request) -> Work[None]:
        """The work of a request. Raises `BadRequest`."""
        _check(request)
        return self._on(request, self._verb(request))

    def _on(self, request: Request, verb: Callable[[Iterable[AccountPlace], str | None], Work[None]]) -> Work[None]:
        """Do it to the accounts that are meant, found when the work begins. Raises `BadRequest` where there is none."""
        try:
            places = self._places(request)
        except (NoSuchMailbox, AddressError) as error:
            raise BadRequest(f"{error.public}: {request.user}", cause=error.cause) from error
        except (MailError, OSError) as error:
            yield Trouble(request.user or "", "", reason(error))
            return
        yield from verb(places, request.mailbox)

    def _places(self, request: Request) -> list[AccountPlace]:
        if request.user is None:
            return list(every_account(self.disk, self.layout))
        return [one_account(self.disk, self.layout, request.user)]

    def _verb(self, request: Request) -> Callable[[Iterable[AccountPlace], str | None], Work[None]]:
        if request.verb is Verb.VERIFY:
            return self._verification(request).accounts
        if request.verb is Verb.REPAIR:
            return self._repair(request, mends_index=True).accounts
        if request.verb is Verb.STATS:
            return Figures(self.disk).accounts
        if request.verb is Verb.REINDEX:
            return Reindexing(self.store, self.disk, self.rework).accounts
        if request.verb is Verb.ADOPT:
            verification, repair = self._verification(request), self._repair(request)
            return Adoption(self.store, self.disk, verification, repair, changes=request.yes).accounts
        return Release(self.disk, self.sessions, purges=request.purge, patience=request.wait).accounts

    def _verification(self, request: Request, *, mends_index: bool = False) -> Verification:
        rework = self.rework if request.deep else None
        return Verification(self.disk, rework, mends_index=mends_index, text_name=self.text_name)

    def _repair(self, request: Request, *, mends_index: bool = False) -> Repair:
        return Repair(self.disk, self._verification(request, mends_index=mends_index), self.ended)


def _check(request: Request) -> None:
    """See that a request's parts go together. Raises `BadRequest`."""
    if request.mailbox is not None and request.user is None:
        raise BadRequest("A mailbox is asked for without a user")
    if request.mailbox is not None and request.verb in (Verb.ADOPT, Verb.RELEASE):
        raise BadRequest("An account is adopted and released whole, not mailbox by mailbox")
    if request.purge and request.verb is not Verb.RELEASE:
        raise BadRequest("Only a release can purge")
    if request.yes and request.verb is not Verb.ADOPT:
        raise BadRequest("Only an adoption asks for a yes")
