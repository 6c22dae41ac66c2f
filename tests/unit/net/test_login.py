"""The gate: who waits, what is looked at, when answers leave, and what the log says."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from zope.interface import Interface

from mailbox_d.address import EmailAddress
from mailbox_d.auth.guessing.guesses import Guesses, GuessLimits, Kind
from mailbox_d.auth.passwords import StoredPassword
from mailbox_d.auth.portal import build_portal
from mailbox_d.auth.realm import LoggedIn, Service, User
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable, TooManySessions
from mailbox_d.net.failure_deadline import FailureDeadline
from mailbox_d.net.lanes import sleep
from mailbox_d.net.limits import GrowingDelay, UserSessions
from mailbox_d.net.login import FAILED, Admission, LoginGate, LoginPeer
from mailbox_d.net.login_log import LoginLog
from mailbox_d.net.sasl_session import SaslSession
from mailbox_d.wire.sasl.exchange import Challenge, Credentials
from mailbox_d.wire.sasl.scram import ScramKeys
from tests.dialogues.imap_server import keys_of
from tests.unit.relay.at_once import done
from tests.unit.wire.sasl.scram_client import Client, b64

ANN = "ann@example.org"
HASHED = StoredPassword.parse("{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuuiUEVXVHHBVIxHp6hr.pIZ9M6Itw6qGu")
USERS = (ANN, "nobody@example.org", "eve@example.org", "ann@elsewhere.example", "no address")
NO_PENALTIES = GuessLimits(per_address=10**6, per_network=10**6, per_user=10**6)


class IAvatar(Interface):
    """What is behind this gate."""


@dataclass(frozen=True, slots=True)
class Avatar:
    address: EmailAddress


class Realm:
    """Ann, whose password is `secret`, and Eve, who is disabled; looking takes `seconds`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds = 0.0
        self.looked = 0
        self.by = ""

    async def authenticate(self, address: EmailAddress, password: bytes, service: Service) -> LoggedIn:
        self.looked += 1
        if self.seconds:
            await sleep(self.clock, self.seconds)
        if address.key == "broken":
            raise AuthenticationUnavailable("Not now")
        HASHED.verify(password)
        if str(address) != ANN or password != b"secret":
            raise AuthenticationFailed("Authentication failed")
        return LoggedIn(User(address), self.by)

    async def user_for(self, address: EmailAddress, service: Service) -> User:
        return User(address)


class Gate:
    """A gate whose time passes when the test says so."""

    def __init__(self, limits: GuessLimits = NO_PENALTIES, *, first: float = 2.0) -> None:
        self.clock = Clock()
        self.realm = Realm(self.clock)
        self.hangs: Deferred[None] | None = None
        """What a user's store waits for."""
        self.gate = LoginGate(
            Service.IMAP,
            IAvatar,
            build_portal(self.realm, {IAvatar: self._avatar}),
            keys_of,
            lambda seconds: sleep(self.clock, seconds),
            UserSessions(0),
            ("PLAIN", "SCRAM-SHA-256"),
            delay=GrowingDelay(first, 15.0),
            deadline=FailureDeadline(self.clock.seconds),
            guesses=Guesses(limits, clock=self.clock.seconds),
            log=LoginLog(self.clock.seconds),
        )

    async def _avatar(self, user: User) -> Avatar:
        if self.hangs is not None:
            await self.hangs
        return Avatar(user.address)

    def offer(self, user: str, password: bytes = b"wrong", host: str = "192.0.2.1", failures: int = 0) -> list[Any]:
        """What comes of a login, once it comes."""
        outcome: list[Any] = []
        admitted = Deferred.fromCoroutine(self.gate.admit(Credentials(user, password), LoginPeer(host, failures)))
        admitted.addBoth(lambda result: outcome.append(getattr(result, "value", result)))
        return outcome

    def guess(self, user: str = ANN, password: bytes = b"wrong", host: str = "192.0.2.1") -> bool:
        """Try, and wait for what comes of it; whether anybody was let in."""
        outcome = self.offer(user, password, host)
        self.clock.advance(2.0)
        assert outcome
        return not isinstance(outcome[0], AuthenticationFailed)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged."""
    seen: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        seen.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


@pytest.mark.parametrize("user", [ANN, "nobody@example.org", "eve@example.org", "no address", "x" * 5000])
@pytest.mark.parametrize(("took", "leaves"), [(0.0, 2.0), (1.5, 2.0), (2.5, 4.0)])
def test_an_answer_to_a_failure_leaves_at_a_fixed_time(user: str, took: float, leaves: float) -> None:
    town = Gate()
    town.realm.seconds = took
    outcome = town.offer(user)
    if "@" in user and len(user) < 100:
        town.clock.advance(took)
    else:
        leaves = 2.0  # nobody had to be asked
    town.clock.advance(leaves - town.clock.seconds() - 0.001)
    assert not outcome
    town.clock.advance(0.002)
    assert outcome[0].public == FAILED


def test_answers_leave_later_with_each_failure_of_a_connection() -> None:
    town = Gate()
    for failures, leaves in enumerate((2.0, 4.0, 8.0, 15.0)):
        began, outcome = town.clock.seconds(), town.offer(ANN, failures=failures)
        while not outcome:
            town.clock.advance(0.5)
        assert town.clock.seconds() - began == leaves


def test_who_is_let_in_is_told_so_at_once() -> None:
    assert Gate().offer(ANN, b"secret")[0].avatar.address == EmailAddress.parse(ANN)


def test_attack_35_the_time_of_an_answer_says_nothing_of_why() -> None:
    """With real hashes, on the real clock but for the wait itself: when each answer would leave."""
    town = Gate()
    guesses = Guesses(GuessLimits(per_address=100, per_network=10**6, per_user=10**6, longest_wait=600))
    for _ in range(110):
        guesses.attempt("", "198.51.100.1").fail()  # who comes from there must wait
    classes = [(user, "192.0.2.1") for user in USERS] + [(ANN, "198.51.100.1")]
    leaves: dict[tuple[str, str], list[float]] = {one: [] for one in classes}
    began = 0.0

    async def would_sleep(seconds: float) -> None:
        leaves[user, host].append(time.monotonic() + seconds - began)

    gate = LoginGate(
        **{name: getattr(town.gate, name) for name in ("service", "interface", "portal", "keys_of", "sessions")},
        sleep=would_sleep,
        delay=GrowingDelay(2.0),
        deadline=FailureDeadline(),
        guesses=guesses,
    )
    tries = classes * 15
    random.Random(35).shuffle(tries)
    for user, host in tries:
        began = time.monotonic()
        with pytest.raises(AuthenticationFailed):
            done(gate.admit(Credentials(user, b"wrong"), LoginPeer(host)))
    medians = [statistics.median(times) for times in leaves.values()]
    assert town.realm.looked == 60  # not for what is no address, and not for who must wait
    assert max(medians) - min(medians) < 0.001
    assert min(medians) >= 2.0


def test_attack_35_the_time_of_a_challenge_says_nothing_of_whose_keys_it_is() -> None:
    """By a clock that passes as it did where users and strangers were once told apart, and now and then slower."""
    clock, chance = Clock(), random.Random(35)
    leaves: dict[str, list[float]] = {ANN: [], "nobody@example.org": []}
    took = 0.0

    async def look_up(user: str, service: Service) -> tuple[ScramKeys, bool]:
        clock.advance(took)
        return await keys_of(user, service)

    async def would_sleep(seconds: float) -> None:
        leaves[user].append(took + seconds)

    deadline = FailureDeadline(clock.seconds, lambda: chance.uniform(0.0, 0.002))
    gate = replace(Gate().gate, keys_of=look_up, sleep=would_sleep, deadline=deadline, challenge_delay=0.01)
    for _ in range(3000):
        for user, usual in ((ANN, 160.5e-6), ("nobody@example.org", 165e-6)):
            took = chance.gauss(usual, 5e-6) + (0.002 if user == ANN and chance.random() < 0.1 else 0.0)
            challenge = SaslSession(gate, "SCRAM-SHA-256", LoginPeer("192.0.2.1")).start(
                b64(Client(b"x", user=user.encode()).first)
            )
            assert isinstance(done(challenge), Challenge)
    known, unknown = leaves.values()
    assert len(known) == len(unknown) == 3000 and min(known + unknown) >= 0.01
    error = math.sqrt((statistics.variance(known) + statistics.variance(unknown)) / 3000)
    assert abs(statistics.fmean(known) - statistics.fmean(unknown)) < 4 * error
    assert abs(statistics.quantiles(known, n=20)[0] - statistics.quantiles(unknown, n=20)[0]) < 0.0001
    assert abs(statistics.quantiles(known, n=20)[-1] - statistics.quantiles(unknown, n=20)[-1]) < 0.0001


def test_attack_36_a_login_before_its_time_is_refused_without_a_look() -> None:
    town = Gate(GuessLimits(per_address=2, per_network=9, per_user=9, first_wait=60, longest_wait=60))
    assert [town.guess() for _ in range(4)] == [False] * 4
    looked = town.realm.looked
    assert looked == 3
    assert not town.guess("bob@example.org")
    outcome = town.offer(ANN, b"secret")
    town.clock.advance(1.999)
    assert not outcome
    town.clock.advance(0.002)
    assert outcome[0].public == FAILED
    assert town.realm.looked == looked
    town.clock.advance(60)
    assert town.guess(ANN, b"secret")


def test_attack_36_guesses_over_all_services_are_one_number() -> None:
    town = Gate(GuessLimits(per_user=3, first_wait=60, longest_wait=60))
    names = ("portal", "keys_of", "sleep", "sessions", "delay", "deadline", "guesses", "interface")
    other = LoginGate(Service.POP3, **{name: getattr(town.gate, name) for name in names})
    for number in range(4):
        town.guess(host=f"10.0.{number}.1")
    looked = town.realm.looked
    refused = Deferred.fromCoroutine(other.admit(Credentials(ANN, b"secret"), LoginPeer("192.0.2.9")))
    refused.addErrback(lambda failure: failure.trap(AuthenticationFailed))
    assert looked == town.realm.looked == 4


def test_attack_36_the_owner_is_let_in_from_where_they_have_been() -> None:
    town = Gate(GuessLimits(per_user=3, first_wait=60, longest_wait=60))
    assert town.guess(ANN, b"secret", "192.0.2.1")
    for number in range(20):
        town.guess(host=f"10.0.{number}.1")
    assert not town.guess(ANN, b"secret", "10.9.9.9")
    assert town.guess(ANN, b"secret", "192.0.2.1")


def test_right_passwords_at_the_same_moment_are_all_right() -> None:
    """A program with an old password tries each minute, from where its owner's others have the new one."""
    town = Gate(GuessLimits(per_user=3, longest_wait=15))
    assert town.guess(ANN, b"secret")
    town.realm.seconds = 0.5
    for _ in range(10):
        town.offer(ANN)
        town.clock.advance(20)
    for _ in range(10):
        town.offer(ANN)
        town.clock.advance(20)
        outcomes = [town.offer(ANN, b"secret") for _ in range(5)]
        for _ in range(5):
            town.clock.advance(0.5)
        outcomes.append(town.offer(ANN, b"secret"))
        town.clock.advance(37.5)
        assert [isinstance(outcome[0], Admission) for outcome in outcomes] == [True] * 6


def test_attack_36_guesses_at_the_same_moment_are_one() -> None:
    town = Gate(GuessLimits(per_user=3, per_address=10**6, per_network=10**6))
    for _ in range(4):
        town.guess()
    town.clock.advance(15)
    town.realm.seconds, town.realm.looked = 0.5, 0
    outcomes = [town.offer(ANN) for _ in range(20)]
    outcomes += [town.offer(ANN, b"secret")]
    town.clock.advance(0.5)
    town.clock.advance(1.5)
    assert [outcome[0].public for outcome in outcomes] == [FAILED] * 21
    assert town.realm.looked == 1


def test_who_has_fifty_logins_under_way_is_not_told_that_the_password_is_wrong() -> None:
    town = Gate()
    town.realm.seconds = 60
    outcomes = [town.offer(ANN, b"secret", f"192.0.2.{number}") for number in range(60)]
    town.clock.advance(2)
    assert [type(outcome[0]) for outcome in outcomes if outcome] == [AuthenticationUnavailable] * 10
    town.clock.advance(58)
    assert all(isinstance(outcome[0], Admission) for outcome in outcomes[:50])


def test_a_store_that_hangs_shuts_nobody_out() -> None:
    town = Gate()
    town.hangs = Deferred()
    outcomes = [town.offer(ANN, b"secret", f"192.0.2.{number}") for number in range(60)]
    town.hangs.callback(None)
    assert all(isinstance(outcome[0], Admission) for outcome in outcomes)


@pytest.mark.parametrize(("user", "password"), [(ANN, b"wrong"), (ANN, b"secret"), ("broken@example.org", b"")])
def test_a_login_is_over_whatever_came_of_it(user: str, password: bytes) -> None:
    town = Gate()
    for _ in range(60):
        town.offer(user, password)
        town.clock.advance(60)
    attempt = town.gate.guesses.attempt(user, "192.0.2.1")
    assert attempt.begin() and not attempt.is_too_early


def test_what_cannot_be_checked_now_is_no_failure_and_told_as_late() -> None:
    town = Gate(GuessLimits(per_user=0, per_address=0))
    for failures, leaves in enumerate((2.0, 4.0, 8.0)):
        outcome = town.offer("broken@example.org", failures=failures)
        town.clock.advance(leaves - 0.001)
        assert not outcome
        town.clock.advance(0.001)
        assert isinstance(outcome[0], AuthenticationUnavailable)
    assert town.realm.looked == 3
    assert not town.gate.guesses.counts()[Kind.USER].names()


def test_keys_that_cannot_be_had_are_told_as_late(lines: list[str]) -> None:
    town = Gate()

    async def no_keys(user: str, service: Service) -> Any:
        raise AuthenticationUnavailable("Not now", cause="why")

    session = SaslSession(replace(town.gate, keys_of=no_keys), "SCRAM-SHA-256", LoginPeer("192.0.2.1", 1))
    outcome: list[Any] = []
    Deferred.fromCoroutine(session.start(b64(Client(b"x", user=ANN.encode()).first))).addErrback(outcome.append)
    town.clock.advance(3.999)
    assert not outcome
    town.clock.advance(0.001)
    assert outcome[0].check(AuthenticationUnavailable)
    assert lines == [
        "login cannot be checked: service=imap peer=192.0.2.1 user=ann@example.org mechanism=SCRAM-SHA-256"
        " cause=Not now (why)"
    ]


def test_what_cannot_be_checked_has_a_line_once_in_a_while(lines: list[str]) -> None:
    town = Gate()
    for _ in range(30):
        town.offer("broken@example.org", host="192.0.2.7")
        town.clock.advance(3)
    said = "login cannot be checked: service=imap peer=192.0.2.7 user=broken@example.org mechanism=password"
    assert lines == [f"{said} cause=Not now", f"{said} others=19 cause=Not now"]


def scram(town: Gate, password: bytes) -> Callable[[], Any]:
    """An exchange up to the client's proof, and what sends that."""
    client = Client(password, user=ANN.encode())
    session = SaslSession(town.gate, "SCRAM-SHA-256", LoginPeer("192.0.2.1"))
    first = done(session.start(b64(client.first)))
    assert isinstance(first, Challenge)
    proof = b64(client.final(first.data))
    return lambda: Deferred.fromCoroutine(session.step(proof))


def test_a_proof_of_scram_before_its_time_is_no_failure() -> None:
    town = Gate(GuessLimits(per_user=1, first_wait=60, longest_wait=60))
    exchanges = [scram(town, b"wrong") for _ in range(10)]
    for send in exchanges:
        send().addErrback(lambda failure: failure.trap(AuthenticationFailed))
    assert town.gate.guesses.counts()[Kind.USER].failures(ANN) == 2


def test_attack_36_a_proof_of_scram_before_its_time_is_not_looked_at() -> None:
    town = Gate(GuessLimits(per_user=1))
    exchanges = [scram(town, password) for password in (b"wrong", b"wrong", b"secret")]
    outcomes: list[Any] = []
    for send in exchanges:
        send().addBoth(lambda result: outcomes.append(getattr(result, "value", result)))
    town.clock.advance(2)
    assert [getattr(outcome, "public", None) for outcome in outcomes] == [FAILED] * 3
    town.clock.advance(15)
    scram(town, b"secret")().addBoth(outcomes.append)
    assert outcomes[3].data.startswith(b"v=")


def test_who_is_let_in_has_a_line_too(lines: list[str]) -> None:
    town = Gate()
    assert not isinstance(town.offer(ANN, b"secret")[0], Exception)
    Deferred.fromCoroutine(
        SaslSession(town.gate, "plain", LoginPeer("2001:db8::1")).start(b64(b"\0%s\0secret" % ANN.encode()))
    )
    town.realm.by = "phone"
    town.offer(ANN, b"secret")
    assert [line for line in lines if line.startswith("login")] == [
        "login: service=imap peer=192.0.2.1 user=ann@example.org mechanism=password",
        "login: service=imap peer=2001:db8::1 user=ann@example.org mechanism=PLAIN",
        "login: service=imap peer=192.0.2.1 user=ann@example.org mechanism=password by=phone",
    ]


def test_what_came_too_early_has_another_line(lines: list[str]) -> None:
    """It may have been the right password: who bans peers that fail must not find it."""
    town = Gate(GuessLimits(per_user=1, first_wait=60, longest_wait=60))
    proofs = [scram(town, b"secret"), scram(town, b"wrong")]
    town.guess()
    town.guess()
    lines.clear()
    town.offer(ANN, b"secret")
    for proof in proofs:
        proof().addErrback(lambda failure: None)
    told = "login refused: service=imap peer=192.0.2.1 user=ann@example.org"
    assert lines == [f"{told} mechanism={name} why=too-early" for name in ("password", *["SCRAM-SHA-256"] * 2)]


def test_who_has_too_many_sessions_has_a_line(lines: list[str]) -> None:
    town = Gate()
    gate = replace(town.gate, sessions=UserSessions(1))
    done(gate.admit(Credentials(ANN, b"secret"), LoginPeer("192.0.2.1")))
    with pytest.raises(TooManySessions):
        done(gate.admit(Credentials(ANN, b"secret"), LoginPeer("192.0.2.1")))
    assert lines[1:] == [
        "login refused: service=imap peer=192.0.2.1 user=ann@example.org mechanism=password why=too-many-sessions"
    ]


def test_failures_of_an_exempt_peer_are_marked(lines: list[str]) -> None:
    town = Gate()
    gate = replace(town.gate, guesses=Guesses(is_exempt=lambda host: host == "192.0.2.200"))
    for host in ("192.0.2.200", "192.0.2.201"):
        Deferred.fromCoroutine(gate.admit(Credentials("x exempt=yes", b"wrong"), LoginPeer(host)))
    told = "login failed: service=imap peer={} user=x exempt=yes mechanism=password"
    assert lines == [told.format("192.0.2.200") + " exempt=yes", told.format("192.0.2.201")]


def test_the_line_in_the_log_says_who_from_where_and_how(lines: list[str]) -> None:
    town = Gate()
    town.offer("x\ny\u2028 peer=192.0.2.9")
    Deferred.fromCoroutine(SaslSession(town.gate, "plain", LoginPeer("2001:db8::1")).start(b64(b"\0a@b.c\0d")))
    assert [line for line in lines if "login failed" in line] == [
        "login failed: service=imap peer=192.0.2.1 user=x\\ny\\u2028 peer=192.0.2.9 mechanism=password",
        "login failed: service=imap peer=2001:db8::1 user=a@b.c mechanism=PLAIN",
    ]


def test_who_is_in_is_known_until_they_leave() -> None:
    town = Gate()
    ended: list[str] = []
    town.realm.by = "phone"
    peer = LoginPeer("192.0.2.7", end=lambda: ended.append("ended"))
    admission = done(town.gate.admit(Credentials(ANN, b"secret"), peer))
    town.offer(ANN)
    assert len(town.gate.admissions) == 1
    (stay,) = town.gate.admissions.begin_round(["example.org"])
    assert (str(stay.logged_in.user.address), stay.logged_in.by) == (ANN, "phone")
    assert (stay.service, stay.peer) == (Service.IMAP, "192.0.2.7")
    assert not town.gate.admissions.are_doubtful(["example.org"])
    stay.end()
    assert ended == ["ended"]
    admission.leave()
    assert len(town.gate.admissions) == 0


def test_a_round_that_begins_while_a_store_is_opened_leaves_a_doubt() -> None:
    town = Gate()
    town.hangs = Deferred()
    outcome = town.offer(ANN, b"secret")
    town.gate.admissions.begin_round(["example.org"])
    town.hangs.callback(None)
    assert outcome and town.gate.admissions.are_doubtful(["example.org"])
