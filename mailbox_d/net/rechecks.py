"""Looks again at who is in: whoever may be there no more is shown out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailbox_d.auth.realm import Realm
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.net.admissions import Admissions, Stay
from mailbox_d.net.lanes import sleep
from mailbox_d.printable import one_line

LOOK_INTERVAL = 2.0
"""Seconds between two looks whether a realm has changed."""

TURN_SECONDS = 0.005
"""What a round does in a turn of the reactor."""

log = Logger()


class Rechecks(Service):
    """Looks again at all who are in whenever their realm has changed, and every `interval` seconds in any case.

    Each realm has rounds of its own: one that is slow to ask holds up no other. `realms`: each with its domains.
    """

    def __init__(
        self,
        reactor: Any,
        admissions: Admissions,
        realms: Iterable[tuple[Realm, Collection[str]]],
        interval: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.admissions = admissions
        self._rounds = [
            RealmRounds(reactor, admissions, realm, domains, interval, monotonic=monotonic) for realm, domains in realms
        ]

    def startService(self) -> None:
        Service.startService(self)
        for rounds in self._rounds:
            rounds.start()

    def stopService(self) -> None:
        Service.stopService(self)
        for rounds in self._rounds:
            rounds.stop()


class RealmRounds:
    """The rounds of one realm: one at a time, one question to the realm at a time.

    What the realm cannot tell now ends nobody, and is asked again in the next round.
    """

    def __init__(
        self,
        reactor: Any,
        admissions: Admissions,
        realm: Realm,
        domains: Collection[str],
        interval: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._admissions = admissions
        self._realm = realm
        self._domains = frozenset(domains)
        self._interval = interval
        self._monotonic = monotonic
        self._edition = realm.edition
        self._due = 0.0
        self._looks = LoopingCall(lambda: Deferred.fromCoroutine(self._look()))
        self._looks.clock = reactor

    def start(self) -> None:
        self._due = self._monotonic() + self._interval
        self._looks.start(min(LOOK_INTERVAL, self._interval), now=False)

    def stop(self) -> None:
        if self._looks.running:
            self._looks.stop()

    async def _look(self) -> None:
        if not self._admissions.is_anybody(self._domains):
            return
        try:
            await self._realm.look()
            if self._is_wanted():
                await self._go_round()
        except Exception:
            log.failure("Who is in of the realm {realm} could not be looked at", realm=self._realm.name)

    def _is_wanted(self) -> bool:
        changed = self._realm.edition != self._edition or self._admissions.are_doubtful(self._domains)
        return changed or self._monotonic() >= self._due

    async def _go_round(self) -> None:
        """Look at everybody, in many turns of the reactor where they are many."""
        self._edition, self._due = self._realm.edition, self._monotonic() + self._interval
        until, untold = self._monotonic() + TURN_SECONDS, 0
        for stay in self._admissions.begin_round(self._domains):
            if self._monotonic() >= until:
                await sleep(self._reactor, 0)
                until = self._monotonic() + TURN_SECONDS
            if not self._looks.running:
                return
            if stay in self._admissions and not await self._look_at(stay):
                untold += 1
        if untold:
            log.warn("The realm {realm} could not say of {count} who are in", realm=self._realm.name, count=untold)

    async def _look_at(self, stay: Stay) -> bool:
        """Whether it could be told if they may be there; who may not is shown out."""
        try:
            objection = await self._realm.objection(stay.logged_in, stay.service)
            if objection and stay in self._admissions:
                self._show_out(stay, objection)
        except AuthenticationUnavailable:
            return False
        except Exception:  # it must not keep the others from being looked at
            log.failure("One who is in of the realm {realm} could not be looked at", realm=self._realm.name)
            return False
        return True

    def _show_out(self, stay: Stay, cause: str) -> None:
        self._admissions.left(stay)
        log.info(
            "session ended: service={service} peer={peer} user={user} cause={cause}",
            service=stay.service.value,
            peer=stay.peer,
            user=one_line(stay.logged_in.user.address),
            cause=one_line(cause),
        )
        stay.end()
