"""Logging in, alike for every protocol: who may come in, how failures are slowed, and the line in the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.logger import Logger

from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable, TooManySessions
from mailbox_d.net.limits import GrowingDelay, UserSessions
from mailbox_d.printable import one_line
from mailbox_d.wire.sasl import Credentials

log = Logger()

FAILED = "Wrong user or password"
"""The same words for an unknown user, a disabled one and a wrong password."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A user who came in: the avatar, and what to call, once, when the session ends."""

    avatar: Any
    leave: Callable[[], None]


@dataclass(frozen=True, slots=True)
class LoginGate:
    """One service's way in."""

    service: str
    """As the log calls it: submission, imap, pop3."""
    interface: Any
    """Which of the portal's avatars this service wants; it has an `address`."""
    portal: Portal
    sleep: Callable[[float], Awaitable[None]]
    sessions: UserSessions
    delay: GrowingDelay = field(default_factory=GrowingDelay)

    async def admit(self, credentials: Credentials, *, peer: str, failures: int) -> Admission:
        """Let a user in. `failures`: how many logins have failed on this connection.

        Raises `AuthenticationFailed` after a delay, `AuthenticationUnavailable`, `TooManySessions`.
        """
        login: Any = UsernamePassword(credentials.authcid.encode(), credentials.password)
        try:
            _, avatar, logout = await self.portal.login(login, None, self.interface)
        except (UnauthorizedLogin, AuthenticationFailed):
            await self.refuse(credentials.authcid, peer=peer, failures=failures)
        except AuthenticationUnavailable as error:
            log.error("nobody can log in: {error}", error=one_line(error))
            raise
        return self._count(avatar, logout, peer)

    async def refuse(self, user: str, *, peer: str, failures: int) -> NoReturn:
        """Say no, later with each failure. Raises `AuthenticationFailed`."""
        log.info(
            "login failed: service={service} peer={peer} user={user}",
            service=self.service,
            peer=peer,
            user=one_line(user),
        )
        await self.sleep(self.delay.at(failures + 1))
        raise AuthenticationFailed(FAILED)

    def _count(self, avatar: Any, logout: Callable[[], None], peer: str) -> Admission:
        user = str(avatar.address)
        if not self.sessions.admit(user):
            logout()
            raise TooManySessions("You have too many connections")

        def leave() -> None:
            self.sessions.release(user)
            logout()

        log.info("login: service={service} peer={peer} user={user}", service=self.service, peer=peer, user=user)
        return Admission(avatar, leave)
