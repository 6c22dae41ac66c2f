"""Twisted cred's portal over a directory: a user name and password in, an avatar for one protocol out.

No protocol is known here: what an avatar is, the factories say that come in by interface.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ICredentials
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import Interface, implementer

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.realm import LoggedIn, Service, User
from mailbox_d.errors import AddressError, AuthenticationFailed, AuthenticationUnavailable, MailError
from mailbox_d.wire.sasl.exchange import BearerToken, ByCertificate, Credentials, Proof, Proven, check_identity
from mailbox_d.wire.sasl.scram import ScramKeys

MAX_PASSWORD = 1000
"""Octets; a longer password is refused before any work is done for it."""

MAX_USER_NAME = 1000
"""Characters; no address has as many."""

_log = Logger()

_NOBODY = EmailAddress.parse("nobody@invalid")
"""Whose keys those get who give no address at all."""

AvatarFactory: TypeAlias = Callable[[User], Awaitable[object]]
"""Makes a user's avatar for one protocol; it may have to wait for the store."""


class IProofOfUser(ICredentials):
    """A `Proof` of who a client is, and the `service` that they want."""


@implementer(IProofOfUser)
@dataclass(frozen=True, slots=True)
class ProofOfUser:
    """What an exchange came to, for cred."""

    proof: Proof
    service: Service


class LoginRefused(AuthenticationFailed, UnauthorizedLogin):
    """`AuthenticationFailed` as cred wants to see it."""


@dataclass(slots=True)
class LoginMind:
    """What cred calls a mind, the client's side of a login: it learns by which app password they came in. `proved` is
    called once they have shown who they are, before an avatar is made."""

    by: str = ""
    logged_in: LoggedIn | None = None
    proved: Callable[[], None] = lambda: None


class Authenticator(Protocol):
    """What the checker asks: a `Directory`. Its methods raise `AuthenticationFailed`, `AuthenticationUnavailable`."""

    async def authenticate(self, address: EmailAddress, password: bytes, service: Service) -> LoggedIn:
        """The user who has this password."""

    async def by_keys(self, address: EmailAddress, stored_key: bytes, service: Service) -> LoggedIn:
        """The user who has proved it by keys."""

    async def user_for(self, address: EmailAddress, service: Service) -> User:
        """The user who has proved that this is their address."""


class Tokens(Protocol):
    """What checks tokens."""

    async def address_of(self, token: str) -> EmailAddress:
        """The address that a token proves. Raises `AuthenticationFailed`, `AuthenticationUnavailable`."""


@implementer(ICredentialsChecker)
class DirectoryChecker:
    """Checks proofs: user names are full addresses. The avatar ID that it gives is the `LoggedIn` itself.

    Fails with `LoginRefused` or `AuthenticationUnavailable`, and nothing else.
    """

    credentialInterfaces = (IProofOfUser,)
    _log = Logger()

    def __init__(
        self, directory: Authenticator, *, max_password: int = MAX_PASSWORD, tokens: Tokens | None = None
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._max_password = max_password

    def requestAvatarId(self, credentials: Any) -> Deferred[LoggedIn]:
        return Deferred.fromCoroutine(self._check(credentials.proof, credentials.service))

    async def _check(self, proof: Proof, service: Service) -> LoggedIn:
        try:
            return await self._user_of(proof, service)
        except AuthenticationFailed as error:
            raise LoginRefused(error.public, cause=error.cause) from error
        except AuthenticationUnavailable:
            raise
        except Exception as error:
            self._log.failure("A login could not be checked")
            raise AuthenticationUnavailable("Authentication is not possible now", cause=repr(error)) from error

    async def _user_of(self, proof: Proof, service: Service) -> LoggedIn:
        match proof:
            case Credentials(authcid, password):
                return await self._directory.authenticate(_address(authcid), self._bounded(password), service)
            case Proven(authcid, stored_key):
                return await self._directory.by_keys(_address(authcid), stored_key, service)
            case ByCertificate(authcid, authzid):
                check_identity(authzid, authcid)
                return LoggedIn(await self._directory.user_for(_address(authcid), service))
            case BearerToken(authcid, token) if self._tokens is not None:
                address = await self._tokens.address_of(token)
                check_identity(authcid, str(address))
                return LoggedIn(await self._directory.user_for(address, service))
            case _:
                raise AuthenticationFailed("Authentication failed", cause="nobody can check such a proof")

    def _bounded(self, password: bytes) -> bytes:
        if not password or len(password) > self._max_password or b"\0" in password:
            raise AuthenticationFailed("Authentication failed", cause="no password that anyone can have")
        return password


@implementer(IRealm)
class AvatarRealm:
    """Hands out avatars, each made by the factory of the first interface asked for that there is one for. A `LoginMind`
    is told how the user came in."""

    def __init__(self, avatars: Mapping[type[Interface], AvatarFactory]) -> None:
        self._avatars = dict(avatars)

    def requestAvatar(
        self, logged_in: LoggedIn, mind: object, *interfaces: type[Interface]
    ) -> Deferred[tuple[type[Interface], object, Callable[[], None]]]:
        """The interface, the avatar, and what to call at the end of the session."""
        served = next((interface for interface in interfaces if interface in self._avatars), None)
        if served is None:
            raise NotImplementedError(f"there is no avatar for {interfaces}")
        if isinstance(mind, LoginMind):
            mind.by, mind.logged_in = logged_in.by, logged_in
            mind.proved()
        return Deferred.fromCoroutine(self._avatar(served, logged_in.user))

    async def _avatar(
        self, interface: type[Interface], user: User
    ) -> tuple[type[Interface], object, Callable[[], None]]:
        return interface, await self._avatars[interface](user), _log_out


def build_portal(
    directory: Authenticator,
    avatars: Mapping[type[Interface], AvatarFactory],
    *,
    max_password: int = MAX_PASSWORD,
    tokens: Tokens | None = None,
) -> Portal:
    """A portal whose `login` takes `ProofOfUser` and fails with `LoginRefused` or `AuthenticationUnavailable`."""
    checker = DirectoryChecker(directory, max_password=max_password, tokens=tokens)
    return Portal(IRealm(AvatarRealm(avatars)), [ICredentialsChecker(checker)])


async def scram_keys(directory: Directory, username: str, service: Service) -> tuple[ScramKeys, bool]:
    """The keys of whoever has this name, and whether they are anybody's: `Directory.scram_keys`.

    Those of who may not use the service are nobody's: the server's own proof, which comes before they are turned away,
    would tell them that the password is right. Raises `AuthenticationUnavailable`, and nothing else.
    """
    try:
        address = _address(username)
    except AuthenticationFailed:
        address = _NOBODY
    try:
        keys, known = await directory.scram_keys(address)
        user = await directory.find_user(address) if known else None
    except AuthenticationUnavailable:
        raise
    except Exception as error:
        _log.failure("A user's keys could not be had")
        raise AuthenticationUnavailable("Authentication is not possible now", cause=repr(error)) from error
    return keys, user is not None and user.may_use(service)


def _address(username: str) -> EmailAddress:
    """The address that a user name is. Raises `AuthenticationFailed`: such a name is nobody's."""
    try:
        if len(username) > MAX_USER_NAME:
            raise AddressError("The address is too long")
        return EmailAddress.parse(username)
    except (MailError, UnicodeError) as error:
        raise AuthenticationFailed("Authentication failed", cause="the user name is no address") from error


def _log_out() -> None:
    """Nothing is held for a session."""
