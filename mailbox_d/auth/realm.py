"""What a realm is: a set of users with their addresses, wherever they are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from mailbox_d.address import EmailAddress, canonical_domain
from mailbox_d.auth.passwords import StoredPassword
from mailbox_d.errors import AddressError
from mailbox_d.wire.sasl.scram import ScramKeys

T = TypeVar("T")


class Service(StrEnum):
    """What a user logs in to."""

    SUBMISSION = "submission"
    IMAP = "imap"
    POP3 = "pop3"


@dataclass(frozen=True, slots=True)
class SenderGrant:
    """Leave to send as an address that is not one's own, or (without `address`) as every address of a domain."""

    domain: str
    address: EmailAddress | None = None

    @classmethod
    def parse(cls, text: str) -> SenderGrant:
        """Read an address, or `@domain`. Raises `AddressError`."""
        if text.startswith("@"):
            return cls(canonical_domain(text[1:]))
        if text.startswith("*@"):
            raise AddressError("A whole domain is written @domain")
        address = EmailAddress.parse(text)
        return cls(address.domain, address)

    def covers(self, address: EmailAddress) -> bool:
        """Whether it is leave to send as this address, with or without a suffix."""
        if address.domain != self.domain:  # which tells most of them apart
            return False
        return self.address is None or self.address in (address, address.without_suffix())


@dataclass(frozen=True, slots=True)
class User:
    """A user: the address by which they log in, their quota in octets and in messages (None: no limit), their own
    aliases, the services that they may use, as whom else they may send, and where their Maildir is to lie (below the
    store's root, from there or as a whole path; None: where it lies by the address).

    One who is not enabled cannot log in; mail for them is taken all the same.
    """

    address: EmailAddress
    quota: int | None = None
    aliases: tuple[EmailAddress, ...] = ()
    enabled: bool = True
    quota_messages: int | None = None
    services: frozenset[Service] = frozenset(Service)
    senders: tuple[SenderGrant, ...] = ()
    maildir: str | None = None

    def may_use(self, service: Service) -> bool:
        """Whether they may log in to a service."""
        return self.enabled and service in self.services


def why_no_folder(address: EmailAddress) -> str:
    """Why no folder can be named after a user, looking also at what folding turns the name into; empty if one can."""
    if address.domain.startswith("["):
        return "the domain is an IP address"
    for name in (address.local_part, address.key):
        if "/" in name:
            return 'the local part contains, or folds to, "/"'
        if name.startswith("."):
            return "the local part begins with a dot, or folds to one that does"
        if not name.isprintable():
            return "the local part contains what cannot be printed"
    return ""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A user who has proved who they are, by which app password (its name), if it was one, and what was stored of the
    password then; None where it is not for us to know, or it was none."""

    user: User
    by: str = ""
    stored: StoredPassword | None = field(default=None, repr=False)


class Realm(Protocol):
    """Users of one source. Each look-up raises `AuthenticationUnavailable` where the source cannot be asked."""

    name: str
    edition: int
    """Another number whenever all of its users may be others."""

    async def look(self) -> None:
        """See whether they are, where that can be seen without a question for each of them. Raises nothing."""

    async def find_user(self, address: EmailAddress) -> User | None:
        """The user whose own address this is."""

    def known_user(self, address: EmailAddress) -> User | None:
        """As `find_user`, of what is known by now: it waits for nothing, and may be called from any thread."""

    async def user_of_alias(self, address: EmailAddress) -> User | None:
        """The user who has this address among their own aliases."""

    async def alias(self, address: EmailAddress) -> tuple[EmailAddress, ...] | None:
        """Where mail for an alias of the realm goes: users, aliases or strangers, never back to the alias itself."""

    async def authenticate(self, address: EmailAddress, password: bytes, service: Service) -> LoggedIn:
        """The user of this address, if this is their password and they may use the service. An alias is no login name.

        Raises `AuthenticationFailed` alike for an unknown user, a disabled one and a wrong password.
        """

    async def scram_keys(self, address: EmailAddress) -> tuple[ScramKeys, bool]:
        """What an exchange of SCRAM with this user is held against, and whether it is theirs. For who has none, or does
        not exist, keys are made up, always the same for one name, that nobody can tell from others."""

    async def by_keys(self, address: EmailAddress, stored_key: bytes, service: Service) -> LoggedIn:
        """The user of this address, who has shown that they know the password behind their keys, if these are still
        theirs and they may use the service. Raises `AuthenticationFailed`."""

    async def objection(self, logged_in: LoggedIn, service: Service) -> str:
        """Why a user who came in a while ago may be there no more, for the log; empty where nothing is against it."""


class RunInLane(Protocol):
    """Does blocking work where it cannot hold up the reactor, and gives its result or raises what it raised."""

    def __call__(self, work: Callable[..., T], /, *args: object) -> Awaitable[T]: ...
