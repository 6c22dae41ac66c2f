"""Who is in is looked at again: when their realm has changed, from time to time, and never more than a turn allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import LoggedIn, Service, User
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.net.admissions import Admissions, Stay
from mailbox_d.net.rechecks import LOOK_INTERVAL, TURN_SECONDS, Rechecks

INTERVAL = 300.0
ANN, BOB, CAROL = "ann@example.org", "bob@example.org", "carol@example.net"


class Realm:
    """Objects to whom it is told; a look at one costs `seconds`."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.clock = clock
        self.name = name
        self.edition = 0
        self.objections: dict[str, str | Exception] = {}
        self.asked: list[str] = []
        self.looked = 0
        self.seconds = 0.0
        self.waits: Deferred[None] | None = None
        self.meanwhile: Callable[[str], None] = lambda user: None

    async def look(self) -> None:
        self.looked += 1

    async def objection(self, logged_in: LoggedIn, service: Service) -> str:
        user = str(logged_in.user.address)
        self.asked.append(user)
        self.clock.rightNow += self.seconds
        self.meanwhile(user)
        if self.waits is not None:
            await self.waits
        told = self.objections.get(user, "")
        if isinstance(told, Exception):
            raise told
        return told


class House:
    """Two realms, and who is in."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.staff, self.others = Realm(self.clock, "staff"), Realm(self.clock, "others")
        self.admissions = Admissions()
        realms: Any = [(self.staff, ["example.org"]), (self.others, ["example.net", "example.com"])]
        self.rechecks = Rechecks(self.clock, self.admissions, realms, INTERVAL, monotonic=self.clock.seconds)
        self.ended: list[str] = []
        self.at_turns: list[int] = []
        """How many had been shown out when a round let others have their turn."""
        self.clock.callLater = self._call_later  # type: ignore[method-assign]
        self.rechecks.startService()

    def _call_later(self, seconds: float, *call: Any) -> Any:
        if not seconds:
            self.at_turns.append(len(self.ended))
        return Clock.callLater(self.clock, seconds, *call)

    def comes(self, user: str, service: Service = Service.IMAP, rounds: int | None = None) -> Stay:
        came = LoggedIn(User(EmailAddress.parse(user)))
        stay = Stay(came, service, "192.0.2.1", lambda: self.ended.append(user))
        self.admissions.came(stay, self.admissions.rounds if rounds is None else rounds)
        return stay

    def look(self, times: int = 1) -> None:
        """Time passes until the next looks."""
        for _ in range(times):
            self.clock.advance(LOOK_INTERVAL)


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.rechecks.stopService()
    house.clock.advance(INTERVAL)
    assert house.clock.getDelayedCalls() == []


@pytest.fixture
def lines() -> Iterator[list[str]]:
    seen: list[str] = []
    observe = lambda event: seen.append(formatEvent(event))  # noqa: E731
    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def test_nobody_is_asked_about_while_nothing_changes(house: House) -> None:
    house.comes(ANN)
    house.look(10)
    assert (house.staff.looked, house.staff.asked) == (10, [])
    assert house.others.looked == 0


def test_attack_40_a_realm_that_has_changed_is_asked_about_all_of_its_users(house: House, lines: list[str]) -> None:
    for user in (ANN, BOB, CAROL):
        house.comes(user)
    house.staff.objections[ANN] = "the user is disabled"
    house.staff.edition += 1
    house.look(3)
    assert (house.staff.asked, house.others.asked) == ([ANN, BOB], [])
    assert house.ended == [ANN]
    assert lines == [f"session ended: service=imap peer=192.0.2.1 user={ANN} cause=the user is disabled"]


def test_all_are_asked_about_once_in_the_interval(house: House) -> None:
    house.comes(ANN)
    house.comes(CAROL)
    house.others.objections[CAROL] = "no such user"
    house.look(int(INTERVAL / LOOK_INTERVAL) - 1)
    assert house.staff.asked == house.others.asked == []
    house.look()
    assert (house.staff.asked, house.others.asked, house.ended) == ([ANN], [CAROL], [CAROL])
    house.look(int(INTERVAL / LOOK_INTERVAL))
    assert (house.staff.asked, house.others.asked) == ([ANN, ANN], [CAROL])


def test_who_came_while_a_round_began_is_looked_at_in_the_next(house: House) -> None:
    before = house.admissions.rounds
    house.staff.edition += 1
    house.look()
    house.comes(ANN, rounds=before)
    house.staff.objections[ANN] = "the password is another one"
    house.look()
    assert house.ended == [ANN]
    house.look(5)
    assert house.staff.asked == [ANN]


def test_who_has_left_is_asked_about_no_more(house: House) -> None:
    stay = house.comes(ANN)
    house.admissions.left(stay)
    house.admissions.left(stay)
    house.staff.edition += 1
    house.look()
    assert house.staff.asked == [] and len(house.admissions) == 0


def test_who_leaves_during_another_s_question_is_not_asked_about(house: House) -> None:
    house.comes(ANN)
    bob, house.staff.waits = house.comes(BOB), Deferred()
    house.staff.edition += 1
    house.look()
    house.admissions.left(bob)
    house.staff.waits.callback(None)
    assert house.staff.asked == [ANN]


def test_who_leaves_during_the_question_is_not_shown_out(house: House, lines: list[str]) -> None:
    stay, house.staff.waits = house.comes(ANN), Deferred()
    house.staff.objections[ANN] = "no such user"
    house.staff.edition += 1
    house.look()
    house.admissions.left(stay)
    house.staff.waits.callback(None)
    assert house.ended == [] and lines == []


def test_a_realm_that_cannot_be_asked_ends_nobody_and_is_asked_about_all_again(house: House, lines: list[str]) -> None:
    for user in (ANN, BOB):
        house.comes(user)
    house.staff.objections[ANN] = AuthenticationUnavailable("Not now")
    house.staff.objections[BOB] = "no such user"
    house.clock.advance(INTERVAL)
    assert house.ended == [BOB]
    assert lines[-1] == "The realm staff could not say of 1 who are in"
    house.staff.objections[ANN] = "the user is disabled"
    house.clock.advance(INTERVAL)
    assert house.ended == [BOB, ANN]


def test_a_fault_of_ours_keeps_nobody_else_in(house: House, lines: list[str]) -> None:
    for user in (ANN, BOB):
        house.comes(user)
    house.staff.objections[ANN] = RuntimeError("a fault")
    house.staff.objections[BOB] = "no such user"
    house.staff.edition += 1
    house.look()
    assert house.ended == [BOB]
    assert any("could not be looked at" in line for line in lines)


def test_a_realm_that_is_slow_to_ask_holds_up_no_other(house: House) -> None:
    house.comes(ANN)
    house.comes(CAROL)
    house.others.objections[CAROL] = "no such user"
    house.staff.waits = Deferred()
    house.staff.edition += 1
    house.others.edition += 1
    house.look(5)
    assert (house.staff.asked, house.ended) == ([ANN], [CAROL])
    house.staff.waits.callback(None)


def test_ten_thousand_are_looked_at_in_many_turns(house: House) -> None:
    for _ in range(10_000):
        house.comes(ANN)
    house.staff.seconds = TURN_SECONDS / 50
    house.staff.edition += 1
    house.staff.objections[ANN] = "no such user"
    house.look()
    shown_out = [0, *house.at_turns, len(house.ended)]
    turns = [later - before for before, later in pairwise(shown_out)]
    assert len(house.ended) == 10_000 and len(house.admissions) == 0
    assert max(turns) <= 51 and len(turns) >= 190


def test_a_round_stops_with_the_daemon(house: House) -> None:
    for number in range(20):
        house.comes(BOB if number == 9 else ANN)
    house.staff.meanwhile = lambda user: house.rechecks.stopService() if user == BOB else None
    house.staff.edition += 1
    house.look()
    assert len(house.staff.asked) == 10
    house.rechecks.startService()
