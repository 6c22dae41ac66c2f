"""Where an address leads: the order in which users, aliases and the catch-all are looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import Realm

MAX_ALIAS_DEPTH = 10


@dataclass(frozen=True, slots=True)
class ServedDomain:
    """A domain of ours: the realm that knows its users, and who gets what nobody else does."""

    realm: Realm
    catch_all: EmailAddress | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an address leads: to users of ours, by their own addresses, and to addresses elsewhere.

    Both are empty for an address in a domain of ours that nobody has.
    """

    mailboxes: tuple[EmailAddress, ...] = ()
    remote: tuple[EmailAddress, ...] = ()
    by_catch_all: bool = False


class Recipients:
    """Resolves addresses over all domains of a site.

    The order is: a user or a user's own alias, an alias of the realm, the same two without the suffix after `+`, the
    domain's catch-all.
    """

    def __init__(self, domains: Mapping[str, ServedDomain]) -> None:
        """`domains`: by name, in A-labels; the first is the one whose postmaster answers for all."""
        self._domains = domains

    def is_ours(self, domain: str) -> bool:
        """Whether mail for this domain is delivered here."""
        return domain in self._domains

    async def postmaster(self) -> EmailAddress | None:
        """What `<postmaster>` without a domain stands for: the first domain that has one."""
        for name in self._domains:
            address = EmailAddress("postmaster", name)
            if (await self.resolve(address)).mailboxes:
                return address
        return None

    async def resolve(self, address: EmailAddress) -> Destination:
        """Follow an address to its end. Raises `AuthenticationUnavailable` where a realm cannot be asked."""
        if not self.is_ours(address.domain):
            return Destination(remote=(address,))
        found = await self._follow(address)
        catch_all = self._domains[address.domain].catch_all
        if found != Destination() or catch_all is None:
            return found
        caught = await self._follow(catch_all)
        return Destination(caught.mailboxes, caught.remote, by_catch_all=True)

    async def _follow(self, address: EmailAddress) -> Destination:
        """Expand aliases level by level; each address is expanded once, so loops end."""
        mailboxes: dict[EmailAddress, None] = {}
        remote: dict[EmailAddress, None] = {}
        seen: set[EmailAddress] = set()
        level = [address]
        for _ in range(MAX_ALIAS_DEPTH):
            following: list[EmailAddress] = []
            for member in level:
                if member in seen:
                    continue
                seen.add(member)
                if not self.is_ours(member.domain):
                    remote[member] = None
                    continue
                mailbox, targets = await self._look_up(member)
                if mailbox is not None:
                    mailboxes[mailbox] = None
                following.extend(targets)
            level = following
        return Destination(tuple(mailboxes), tuple(remote))

    async def _look_up(self, address: EmailAddress) -> tuple[EmailAddress | None, tuple[EmailAddress, ...]]:
        """The user's own address, or an alias's targets; neither where nobody has the address."""
        realm = self._domains[address.domain].realm
        for form in _forms(address):
            user = await realm.find_user(form) or await realm.user_of_alias(form)
            if user is not None:
                return user.address, ()
            targets = await realm.alias(form)
            if targets:
                return None, targets
        return None, ()


def _forms(address: EmailAddress) -> Iterator[EmailAddress]:
    yield address
    bare = address.without_suffix()
    if bare != address:
        yield bare
