"""The users of a whole site: every domain that is served, and the realm that knows its users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from mailbox_d.address import EmailAddress
from mailbox_d.auth.last_use import use_of
from mailbox_d.auth.realm import LoggedIn, Realm, Service, User
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.wire.sasl.scram import ScramKeys


class Directory:
    """Asks the realm of an address's domain, and no other. Several domains may share a realm.

    `domains` has lower-case A-labels. The look-ups raise `AuthenticationUnavailable` where the realm cannot be asked;
    an address of a domain that is not served is nobody's. `used` is told of each user who has proved who they are, with
    the name of their app password. Who wants to log in, or wants keys, waits until `ready`: what strangers are told
    must be the same as before a restart.
    """

    def __init__(
        self,
        domains: Mapping[str, Realm],
        *,
        used: Callable[[EmailAddress, str], None] = lambda address, by: None,
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._domains = dict(domains)
        self._used = used
        self._ready = ready

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains served, in the order of the configuration."""
        return tuple(self._domains)

    async def serves(self, domain: str) -> bool:
        """Whether mail for this domain is ours."""
        return domain in self._domains

    async def realm_of(self, domain: str) -> Realm | None:
        """The realm of a domain, None where the domain is not served."""
        return self._domains.get(domain)

    async def find_user(self, address: EmailAddress) -> User | None:
        """The user whose own address this is."""
        realm = self._domains.get(address.domain)
        return await realm.find_user(address) if realm is not None else None

    def known_user(self, address: EmailAddress) -> User | None:
        """As `find_user`, of what is known by now: it waits for nothing, and may be called from any thread."""
        realm = self._domains.get(address.domain)
        return realm.known_user(address) if realm is not None else None

    async def user_of_alias(self, address: EmailAddress) -> User | None:
        """The user who has this address among their own aliases."""
        realm = self._domains.get(address.domain)
        return await realm.user_of_alias(address) if realm is not None else None

    async def alias(self, address: EmailAddress) -> tuple[EmailAddress, ...] | None:
        """Where mail for an alias of the domain's realm goes."""
        realm = self._domains.get(address.domain)
        return await realm.alias(address) if realm is not None else None

    async def authenticate(self, address: EmailAddress, password: bytes, service: Service) -> LoggedIn:
        """The user of this address, if this is their password. Raises as `Realm.authenticate` does."""
        await self._be_ready()
        realm = self._domains.get(address.domain)
        if realm is not None:
            logged_in = await realm.authenticate(address, password, service)
            self._used(logged_in.user.address, use_of(logged_in.by, logged_in.stored))
            return logged_in
        for any_realm in self._domains.values():  # for the time that it takes; what it says does not count
            await any_realm.authenticate(address, password, service)
            break
        raise AuthenticationFailed("Authentication failed", cause="the domain is not served")

    async def scram_keys(self, address: EmailAddress) -> tuple[ScramKeys, bool]:
        """As `Realm.scram_keys`; what a realm has of an address of another one's domain is nobody's."""
        await self._be_ready()
        realm = self._domains.get(address.domain)
        if realm is not None:
            return await realm.scram_keys(address)
        for any_realm in self._domains.values():
            keys, _ = await any_realm.scram_keys(address)
            return keys, False
        raise AuthenticationUnavailable("Nobody can log in here", cause="no domain is served")

    async def by_keys(self, address: EmailAddress, stored_key: bytes, service: Service) -> LoggedIn:
        """As `Realm.by_keys`."""
        realm = self._domains.get(address.domain)
        if realm is None:
            raise AuthenticationFailed("Authentication failed", cause="the domain is not served")
        logged_in = await realm.by_keys(address, stored_key, service)
        self._used(logged_in.user.address, use_of(logged_in.by, logged_in.stored))
        return logged_in

    async def user_for(self, address: EmailAddress, service: Service) -> User:
        """The user of this address, who has proved it by no password, if they may use the service. Raises
        `AuthenticationFailed`."""
        user = await self.find_user(address)
        if user is None or not user.may_use(service):
            raise AuthenticationFailed("Authentication failed", cause="no such user, or one who may not")
        return user

    async def _be_ready(self) -> None:
        if self._ready is not None:
            await self._ready()
