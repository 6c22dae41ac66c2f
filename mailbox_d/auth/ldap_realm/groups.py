"""Who gets the mail of a group: its members' addresses, of whom most are entries of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.auth.ldap_realm.bounds import LdapBounds
from mailbox_d.auth.ldap_realm.directory import ANY_ENTRY, Query
from mailbox_d.auth.ldap_realm.entries import Entry, EntryFault, NoAddress, addresses, own_address
from mailbox_d.auth.ldap_realm.escaping import fill_filter
from mailbox_d.auth.ldap_realm.known import Known
from mailbox_d.auth.ldap_realm.question import Question
from mailbox_d.auth.realm import RunInLane
from mailbox_d.config.ldap import LdapGroups, LdapRealm
from mailbox_d.seldom import Seldom

_Member: TypeAlias = EmailAddress | str
"""An address, or the DN of an entry that may have one."""


class GroupMembers:
    """Asks for a group, and for its members one after the other. Each is work of its own for the lane, so that others
    have their turn in between. Members that were found are kept for `settings.cache` seconds: of a large group that
    could not be told whole, only the others are asked for the next time."""

    _log = Logger()

    def __init__(
        self, name: str, settings: LdapRealm, *, run: RunInLane, clock: Callable[[], float], bounds: LdapBounds
    ) -> None:
        self._name = name
        self._address = settings.attributes.address
        self._run = run
        self._most = bounds.members
        self._known: Known[str, EmailAddress | None] = Known(clock, seconds=settings.cache, most=bounds.remembered)
        self._edition = 0
        self._seldom = Seldom(clock)

    async def of(
        self, address: EmailAddress, groups: LdapGroups, question: Question
    ) -> tuple[EmailAddress, ...] | None:
        """The members of a group but itself, None where there is no such group.

        Raises `EntryFault`: rather nobody gets mail for now than one of them never; `AuthenticationUnavailable`.
        """
        members = await self._run(self._members, address, groups, question)
        if members is None:
            return None
        found: dict[EmailAddress, None] = {}
        for member in members:
            target = await self._address_at(member, question) if isinstance(member, str) else member
            if target is not None and target != address:
                found[target] = None
        return tuple(found)

    def forget(self) -> None:
        """Have every member asked for anew."""
        self._edition += 1
        self._known.forget()

    async def _address_at(self, dn: str, question: Question) -> EmailAddress | None:
        kept = self._known.fresh(dn)
        if kept is not None:
            return kept[0]
        edition = self._edition
        address = await self._run(self._read_address, dn, question)
        if edition == self._edition:
            self._known.keep(dn, address)
        return address

    def _members(self, address: EmailAddress, groups: LdapGroups, question: Question) -> list[_Member] | None:
        """Blocks."""
        entry = question.one(Query(groups.base, fill_filter(groups.filter, address), (groups.member,)))
        if entry is None:
            return None
        try:
            return list(self._named(entry, groups.member))
        except EntryFault as fault:
            raise EntryFault(f"{entry.dn}: {fault}") from fault

    def _named(self, entry: Entry, name: str) -> Iterator[_Member]:
        values = entry.values(name)
        if len(values) > self._most:
            raise EntryFault(f"more than {self._most} members")
        for value in values:
            given = tuple(addresses(Entry(entry.dn, {name.lower(): (value,)}), name))
            yield from given or (value.decode("utf-8", "replace"),)

    def _read_address(self, dn: str, question: Question) -> EmailAddress | None:
        """A member's address; None for one who has none, or is not there any more: such gets no mail by the group, and
        the log says so. Blocks."""
        why = "there is no such entry, or it is hidden"
        for entry in question.search(Query(dn, ANY_ENTRY, (self._address,), this_entry=True)):
            try:
                return own_address(entry, self._address)
            except NoAddress as fault:
                why = str(fault)
            except EntryFault as fault:
                raise EntryFault(f"the group's member {dn}: {fault}") from fault
        if self._seldom.is_due(dn):
            self._log.warn("The realm {realm}: no mail for {dn!r}: {why}", realm=self._name, dn=dn, why=why)
        return None
