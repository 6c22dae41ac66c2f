"""Logging in, alike for every protocol: who may come in, how failures are slowed, and the line in the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred

from mailbox_d.auth.guessing.guesses import Attempt, Guesses
from mailbox_d.auth.portal import LoginMind, ProofOfUser
from mailbox_d.auth.realm import LoggedIn, Service, User
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable, TooManySessions
from mailbox_d.net.admissions import Admissions, Stay
from mailbox_d.net.failure_deadline import FailureDeadline
from mailbox_d.net.limits import GrowingDelay, UserSessions
from mailbox_d.net.login_log import LoginAsked, LoginLog
from mailbox_d.wire.sasl.exchange import Credentials, Proof, Proven
from mailbox_d.wire.sasl.mechanisms import Terms
from mailbox_d.wire.sasl.passwords import Login, Plain
from mailbox_d.wire.sasl.scram import ScramKeys

WRITTEN_DOWN = (AuthenticationUnavailable, TooManySessions)
"""Faults of which the gate has written all there is to say into the log."""

FAILED = "Wrong user or password"
"""The same words for an unknown user, a disabled one and a wrong password."""


def _nothing() -> None:
    """Nobody can end it."""


@dataclass(frozen=True, slots=True)
class LoginPeer:
    """Who wants in: the address, how many logins have failed on this connection, what its exchanges are held to, by
    which mechanism (`password` is the protocol's own command), and what ends the session of who may stay no longer."""

    address: str
    failures: int = 0
    terms: Terms = field(default_factory=Terms)
    mechanism: str = "password"
    end: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class Admission:
    """A user who came in: the avatar, and what to call, once, when the session ends."""

    avatar: Any
    leave: Callable[[], None]


@dataclass(frozen=True, slots=True)
class LoginGate:
    """One service's way in."""

    service: Service
    interface: Any
    """Which of the portal's avatars this service wants; it has an `address`."""
    portal: Portal
    keys_of: Callable[[str, Service], Awaitable[tuple[ScramKeys, bool]]]
    """A user's keys for SCRAM, and whether they are those of somebody who may use the service."""
    sleep: Callable[[float], Awaitable[None]]
    sessions: UserSessions
    mechanisms: Collection[str] = ("PLAIN", "LOGIN")
    """Those that are served."""
    delay: GrowingDelay = field(default_factory=GrowingDelay)
    deadline: FailureDeadline = field(default_factory=FailureDeadline)
    challenge_delay: float = 0.0
    """Seconds until a challenge that is made of a user's keys leaves; where they took longer to find, a multiple."""
    guesses: Guesses = field(default_factory=Guesses)
    """Who has to wait between two logins; one for all services."""
    admissions: Admissions = field(default_factory=Admissions)
    """Who is in; one for all services."""
    log: LoginLog = field(default_factory=LoginLog)
    """One for all services, too."""

    @property
    def takes_passwords(self) -> bool:
        """Whether the protocols' own commands for a password are served: where mechanisms are that show one."""
        return any(mechanism.name in self.mechanisms for mechanism in (Plain, Login))

    async def keys(self, user: str, peer: LoginPeer) -> tuple[ScramKeys, bool]:
        """What an exchange of SCRAM is held against; keys that are made up, and false, where the user has none or may
        not log in: how long it took to find them says nothing. Raises `AuthenticationUnavailable`, late."""
        began = self.deadline.clock()
        try:
            keys = await self.keys_of(user, self.service)
        except AuthenticationUnavailable as error:
            await self._put_off(user, peer, began, error)
        if self.challenge_delay:
            await self.sleep(self.deadline.left(began, self.challenge_delay))
        return keys

    async def admit(self, proof: Proof, peer: LoginPeer) -> Admission:
        """Let a user in. Raises `AuthenticationFailed` and `AuthenticationUnavailable`, both late, and
        `TooManySessions`.

        Who has to wait until they may try again is refused as for a wrong password, which is not looked at.
        """
        began, user = self.deadline.clock(), _name_of(proof)
        attempt = self.guesses.attempt(user, peer.address)
        rounds, mind = self.admissions.rounds, LoginMind(proved=attempt.succeed)
        try:
            if not await self._begin(attempt):
                await self._refuse(user, peer, began, is_too_early=True)
            logged_in = await self._try(attempt, proof, mind)
        except AuthenticationUnavailable as error:
            await self._put_off(user, peer, began, error)
        if logged_in is None:
            await self._refuse(user, peer, began)
        avatar, logout = logged_in
        self.guesses.succeeded(str(avatar.address), peer.address)
        return self._enter(avatar, logout, peer, mind, rounds)

    def is_too_early(self, user: str, peer: LoginPeer) -> bool:
        """Whether a proof is to be refused without being looked at; for mechanisms that look at it themselves."""
        return self.guesses.attempt(user, peer.address).is_too_early

    async def refuse(self, user: str, peer: LoginPeer) -> NoReturn:
        """Say no to a proof that has just come and was found wrong. Raises `AuthenticationFailed`, late."""
        began = self.deadline.clock()
        attempt = self.guesses.attempt(user, peer.address)
        is_too_early = attempt.is_too_early
        if not is_too_early:
            attempt.fail()
        await self._refuse(user, peer, began, is_too_early=is_too_early)

    async def _begin(self, attempt: Attempt) -> bool:
        """Whether it may be tried. Who comes while another login decides that waits for what comes of it, so that
        several with the right password at once are all let in. Raises `AuthenticationUnavailable`."""
        while not attempt.begin():
            if attempt.is_too_early:
                return False
            if attempt.is_one_too_many:
                raise AuthenticationUnavailable("Too many logins at once", cause="so many of the user are under way")
            over: Deferred[None] = Deferred()
            attempt.when_over(partial(over.callback, None))
            await over
        return True

    async def _try(self, attempt: Attempt, proof: Proof, mind: LoginMind) -> tuple[Any, Callable[[], None]] | None:
        """None where the proof is wrong."""
        try:
            return await self._log_in(proof, mind)
        except (UnauthorizedLogin, AuthenticationFailed):
            attempt.fail()
            return None
        finally:
            attempt.end()

    async def _log_in(self, proof: Proof, mind: LoginMind) -> tuple[Any, Callable[[], None]]:
        login: Any = ProofOfUser(proof, self.service)
        _, avatar, logout = await self.portal.login(login, mind, self.interface)
        return avatar, logout

    async def _refuse(self, user: str, peer: LoginPeer, began: float, *, is_too_early: bool = False) -> NoReturn:
        """Later with each failure of the connection, at a time and in words that say nothing else."""
        asked = self._asked(user, peer)
        if is_too_early:
            self.log.refused(asked, "too-early")
        else:
            self.log.failed(asked)
        await self.sleep(self.deadline.left(began, self.delay.at(peer.failures + 1)))
        raise AuthenticationFailed(FAILED)

    async def _put_off(self, user: str, peer: LoginPeer, began: float, error: AuthenticationUnavailable) -> NoReturn:
        """As late as a failure: to ask again at once would help nobody."""
        self.log.unavailable(self._asked(user, peer), error)
        await self.sleep(self.deadline.left(began, self.delay.at(peer.failures + 1)))
        raise error

    def _asked(self, user: str, peer: LoginPeer) -> LoginAsked:
        return LoginAsked(self.service, peer.address, user, peer.mechanism, self.guesses.is_exempt(peer.address))

    def _enter(
        self, avatar: Any, logout: Callable[[], None], peer: LoginPeer, mind: LoginMind, rounds: int
    ) -> Admission:
        user = str(avatar.address)
        if not self.sessions.admit(user):
            logout()
            self.log.refused(self._asked(user, peer), "too-many-sessions")
            raise TooManySessions("You have too many connections")

        stay = Stay(mind.logged_in or LoggedIn(User(avatar.address)), self.service, peer.address, peer.end)
        self.admissions.came(stay, rounds)

        def leave() -> None:
            self.admissions.left(stay)
            self.sessions.release(user)
            logout()

        self.log.admitted(self._asked(user, peer), mind.by)
        return Admission(avatar, leave)


def _name_of(proof: Proof) -> str:
    """Who the client says it is; empty where it does not say."""
    return proof.authcid if isinstance(proof, Credentials | Proven) else getattr(proof, "authcid", "")
