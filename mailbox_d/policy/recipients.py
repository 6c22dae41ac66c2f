"""Where an address leads: the order in which users, aliases and the catch-all are looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import Realm, User
from mailbox_d.errors import TemporaryError

MAX_ALIAS_DEPTH = 10
MAX_TARGETS = 1000


class TooManyTargets(TemporaryError):
    """An address leads to more addresses than the limit, or too far; only the operator can change that."""


@dataclass(frozen=True, slots=True)
class ServedDomain:
    """A domain of ours: the realm that knows its users, and who gets what nobody else does."""

    realm: Realm
    catch_all: EmailAddress | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an address leads: to users of ours, by their own addresses, and to addresses elsewhere.

    Both are empty for an address in a domain of ours that nobody has. `via`: of each address elsewhere the address of
    ours that names it as where its mail goes, without a suffix that the entry does not have; for a catch-all it is the
    domain's postmaster. So one way has one name, whatever a sender writes. Nobody names one that was asked for itself.
    """

    mailboxes: tuple[EmailAddress, ...] = ()
    remote: tuple[EmailAddress, ...] = ()
    by_catch_all: bool = False
    via: Mapping[EmailAddress, EmailAddress] = field(default_factory=dict)

    @property
    def is_nobody(self) -> bool:
        return not (self.mailboxes or self.remote)


class Recipients:
    """Resolves addresses over all domains of a site.

    The order is: a user or a user's own alias, an alias of the realm, the same two without the suffix after `+`, the
    domain's catch-all.
    """

    def __init__(self, domains: Mapping[str, ServedDomain], *, most_targets: int = MAX_TARGETS) -> None:
        """`domains`: by name, in A-labels; the first is the one whose postmaster answers for all.

        `most_targets`: addresses that one may lead to by aliases, aliases between them included.
        """
        self._domains = domains
        self._most_targets = most_targets

    def is_ours(self, domain: str) -> bool:
        """Whether mail for this domain is delivered here."""
        return domain in self._domains

    async def find_user(self, address: EmailAddress) -> User | None:
        """The user whose own address this is. Raises `AuthenticationUnavailable`."""
        domain = self._domains.get(address.domain)
        return await domain.realm.find_user(address) if domain is not None else None

    async def postmaster(self) -> EmailAddress | None:
        """What `<postmaster>` without a domain stands for: the first domain that has one."""
        for name in self._domains:
            address = EmailAddress("postmaster", name)
            if not (await self.resolve(address)).is_nobody:
                return address
        return None

    async def resolve(self, address: EmailAddress) -> Destination:
        """Follow an address to its end. Raises `AuthenticationUnavailable` where a realm cannot be asked,
        `TooManyTargets`."""
        if not self.is_ours(address.domain):
            return Destination(remote=(address,))
        found = await self._follow(address)
        catch_all = self._domains[address.domain].catch_all
        if not found.is_nobody or catch_all is None:
            return found
        if not self.is_ours(catch_all.domain):
            via = {catch_all: EmailAddress("postmaster", address.domain)}
            return Destination(remote=(catch_all,), by_catch_all=True, via=via)
        return replace(await self._follow(catch_all), by_catch_all=True)

    async def _follow(self, address: EmailAddress) -> Destination:
        """Expand aliases level by level; each address is expanded once, so loops end."""
        mailboxes: dict[EmailAddress, None] = {}
        remote: dict[EmailAddress, EmailAddress] = {}
        seen = {address}
        level = [address]
        for _ in range(MAX_ALIAS_DEPTH):
            following: list[EmailAddress] = []
            for member in level:
                entry, mailbox, targets = await self._look_up(member)
                if mailbox is not None:
                    mailboxes[mailbox] = None
                for target in targets:
                    if target in seen:
                        continue
                    seen.add(target)
                    if self.is_ours(target.domain):
                        following.append(target)
                    else:
                        remote[target] = entry
                self._check_number(address, len(seen) - 1)
            level = following
        if level:
            raise _too_many(f"the aliases of {address} lead over more than {MAX_ALIAS_DEPTH} others")
        return Destination(tuple(mailboxes), tuple(remote), via=remote)

    def _check_number(self, address: EmailAddress, targets: int) -> None:
        if targets > self._most_targets:
            raise _too_many(f"{address} leads to more than {self._most_targets} addresses (limits.alias_targets)")

    async def _look_up(
        self, address: EmailAddress
    ) -> tuple[EmailAddress, EmailAddress | None, tuple[EmailAddress, ...]]:
        """The form that has an entry, and the user's own address or an alias's targets; neither where nobody has it."""
        realm = self._domains[address.domain].realm
        for form in _forms(address):
            user = await realm.find_user(form) or await realm.user_of_alias(form)
            if user is not None:
                return form, user.address, ()
            targets = await realm.alias(form)
            if targets:
                return form, None, targets
        return address, None, ()


def _too_many(cause: str) -> TooManyTargets:
    return TooManyTargets("This address leads to too many others", cause=cause)


def _forms(address: EmailAddress) -> Iterator[EmailAddress]:
    yield address
    bare = address.without_suffix()
    if bare != address:
        yield bare
