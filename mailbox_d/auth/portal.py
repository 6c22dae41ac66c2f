"""Twisted cred's portal over a directory: a user name and password in, an avatar for one protocol out.

No protocol is known here: what an avatar is, the factories say that come in by interface.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import Interface, implementer

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import User
from mailbox_d.errors import AddressError, AuthenticationFailed, AuthenticationUnavailable, MailError

MAX_PASSWORD = 1000
"""Octets; a longer password is refused before any work is done for it."""

MAX_USER_NAME = 1000
"""Octets; no address is that long."""

AvatarFactory: TypeAlias = Callable[[User], Awaitable[object]]
"""Makes a user's avatar for one protocol; it may have to wait for the store."""


class LoginRefused(AuthenticationFailed, UnauthorizedLogin):
    """`AuthenticationFailed` as cred wants to see it."""


class Authenticator(Protocol):
    """What the checker asks: a `Directory`, or a single `Realm`."""

    async def authenticate(self, address: EmailAddress, password: bytes) -> User:
        """The user; raises `AuthenticationFailed`, `AuthenticationUnavailable`."""


@implementer(ICredentialsChecker)
class DirectoryChecker:
    """Checks full addresses (octets, UTF-8) and passwords. The avatar ID that it gives is the `User` itself.

    Fails with `LoginRefused` or `AuthenticationUnavailable`, and nothing else.
    """

    credentialInterfaces = (IUsernamePassword,)
    _log = Logger()

    def __init__(self, directory: Authenticator, *, max_password: int = MAX_PASSWORD) -> None:
        self._directory = directory
        self._max_password = max_password

    def requestAvatarId(self, credentials: Any) -> Deferred[User]:
        return Deferred.fromCoroutine(self._check(credentials.username, credentials.password))

    async def _check(self, username: bytes, password: bytes) -> User:
        try:
            if not password or len(password) > self._max_password or b"\0" in password:
                raise AuthenticationFailed("Authentication failed", cause="no password that anyone can have")
            return await self._directory.authenticate(_address(username), password)
        except AuthenticationFailed as error:
            raise LoginRefused(error.public, cause=error.cause) from error
        except AuthenticationUnavailable:
            raise
        except Exception as error:
            self._log.failure("A login could not be checked")
            raise AuthenticationUnavailable("Authentication is not possible now", cause=repr(error)) from error


@implementer(IRealm)
class AvatarRealm:
    """Hands out avatars, each made by the factory of the first interface asked for that there is one for."""

    def __init__(self, avatars: Mapping[type[Interface], AvatarFactory]) -> None:
        self._avatars = dict(avatars)

    def requestAvatar(
        self, user: User, mind: object, *interfaces: type[Interface]
    ) -> Deferred[tuple[type[Interface], object, Callable[[], None]]]:
        """The interface, the avatar, and what to call at the end of the session."""
        served = next((interface for interface in interfaces if interface in self._avatars), None)
        if served is None:
            raise NotImplementedError(f"there is no avatar for {interfaces}")
        return Deferred.fromCoroutine(self._avatar(served, user))

    async def _avatar(
        self, interface: type[Interface], user: User
    ) -> tuple[type[Interface], object, Callable[[], None]]:
        return interface, await self._avatars[interface](user), _log_out


def build_portal(
    directory: Authenticator,
    avatars: Mapping[type[Interface], AvatarFactory],
    *,
    max_password: int = MAX_PASSWORD,
) -> Portal:
    """A portal whose `login` takes `IUsernamePassword` and fails with `LoginRefused` or `AuthenticationUnavailable`."""
    checker = DirectoryChecker(directory, max_password=max_password)
    return Portal(IRealm(AvatarRealm(avatars)), [ICredentialsChecker(checker)])


def _address(username: bytes) -> EmailAddress:
    """The address that a user name is. Raises `AuthenticationFailed`: such a name is nobody's."""
    try:
        if len(username) > MAX_USER_NAME:
            raise AddressError("The address is too long")
        return EmailAddress.parse(username.decode("utf-8"))
    except (MailError, UnicodeError) as error:
        raise AuthenticationFailed("Authentication failed", cause="the user name is no address") from error


def _log_out() -> None:
    """Nothing is held for a session."""
