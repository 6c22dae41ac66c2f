"""Logging in, alike for every protocol: who may come in, how failures are slowed, and the line in the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NoReturn

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.logger import Logger

from mailbox_d.auth.portal import LoginMind, ProofOfUser
from mailbox_d.auth.realm import Service
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable, TooManySessions
from mailbox_d.net.limits import GrowingDelay, UserSessions
from mailbox_d.printable import one_line
from mailbox_d.wire.sasl.exchange import Credentials, Proof, Proven
from mailbox_d.wire.sasl.mechanisms import Terms
from mailbox_d.wire.sasl.scram import ScramKeys

log = Logger()

FAILED = "Wrong user or password"
"""The same words for an unknown user, a disabled one and a wrong password."""


@dataclass(frozen=True, slots=True)
class LoginPeer:
    """Who wants in: the address, how many logins have failed on this connection, and what its exchanges are held to."""

    address: str
    failures: int = 0
    terms: Terms = field(default_factory=Terms)


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
    keys_of: Callable[[str], Awaitable[tuple[ScramKeys, bool]]]
    """A user's keys for SCRAM, and whether they are anybody's."""
    sleep: Callable[[float], Awaitable[None]]
    sessions: UserSessions
    mechanisms: Collection[str] = ("PLAIN", "LOGIN")
    """Those that are served."""
    delay: GrowingDelay = field(default_factory=GrowingDelay)

    async def keys(self, user: str) -> tuple[ScramKeys, bool]:
        """What an exchange of SCRAM is held against; keys that are made up, and false, where the user has none. Raises
        `AuthenticationUnavailable`."""
        return await self.keys_of(user)

    async def admit(self, proof: Proof, peer: LoginPeer) -> Admission:
        """Let a user in. Raises `AuthenticationFailed`, late, `AuthenticationUnavailable` and `TooManySessions`."""
        try:
            login: Any = ProofOfUser(proof, self.service)
            mind = LoginMind()
            _, avatar, logout = await self.portal.login(login, mind, self.interface)
        except (UnauthorizedLogin, AuthenticationFailed):
            await self.refuse(_name_of(proof), peer)
        except AuthenticationUnavailable as error:
            log.error("nobody can log in: {error}", error=one_line(error))
            raise
        return self._count(avatar, logout, peer, mind.by)

    async def refuse(self, user: str, peer: LoginPeer) -> NoReturn:
        """Say no, later with each failure. Raises `AuthenticationFailed`."""
        log.info(
            "login failed: service={service} peer={peer} user={user}",
            service=self.service.value,
            peer=peer.address,
            user=one_line(user),
        )
        await self.sleep(self.delay.at(peer.failures + 1))
        raise AuthenticationFailed(FAILED)

    def _count(self, avatar: Any, logout: Callable[[], None], peer: LoginPeer, by: str) -> Admission:
        user = str(avatar.address)
        if not self.sessions.admit(user):
            logout()
            raise TooManySessions("You have too many connections")

        def leave() -> None:
            self.sessions.release(user)
            logout()

        log.info(
            "login: service={service} peer={peer} user={user}" + (" by={by}" if by else ""),
            service=self.service.value,
            peer=peer.address,
            user=user,
            by=one_line(by),
        )
        return Admission(avatar, leave)


def _name_of(proof: Proof) -> str:
    """Who the client says it is; empty where it does not say."""
    return proof.authcid if isinstance(proof, Credentials | Proven) else getattr(proof, "authcid", "")
