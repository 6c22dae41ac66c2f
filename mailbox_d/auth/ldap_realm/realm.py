"""A realm over an LDAP directory: users and groups by search, passwords by bind."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.auth.ldap_realm.bound_logins import BoundLogins
from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS, LdapBounds
from mailbox_d.auth.ldap_realm.directory import ANY_ENTRY, LdapDirectory, Query
from mailbox_d.auth.ldap_realm.entries import Entry, EntryFault, attribute_names, user_of
from mailbox_d.auth.ldap_realm.escaping import dn_value, fill_dn, fill_filter, parent
from mailbox_d.auth.ldap_realm.groups import GroupMembers
from mailbox_d.auth.ldap_realm.known import Known
from mailbox_d.auth.ldap_realm.lookups import Lookups
from mailbox_d.auth.ldap_realm.question import ANSWERS, Question
from mailbox_d.auth.realm import LoggedIn, RunInLane, Service, User
from mailbox_d.auth.scram_keys import made_up_keys
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.seldom import Seldom
from mailbox_d.wire.sasl.scram import ScramKeys

_Written: TypeAlias = tuple[str, str]
"""An address as `EmailAddress.written` has it."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A user, and the DN to bind with."""

    user: User
    dn: str


class DirectoryRealm:
    """Users of an LDAP directory. What it says is held to be so for `settings.cache` seconds, of users and strangers
    alike; that it accepted a password, for `settings.login_cache` seconds. No password is kept.

    `directory` is asked through `run`, a lane. `clock` is monotonic, in seconds.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        settings: LdapRealm,
        directory: LdapDirectory,
        *,
        run: RunInLane,
        clock: Callable[[], float],
        bounds: LdapBounds = DEFAULT_BOUNDS,
    ) -> None:
        self.name = name
        self.edition = 0
        self._settings = settings
        self._directory = directory
        self._run = run
        self._clock = clock
        self._bounds = bounds
        most = bounds.remembered
        self._users: Known[EmailAddress, _Found] = Known(clock, seconds=settings.cache, most=most)
        self._groups: Known[EmailAddress, tuple[EmailAddress, ...]] = Known(clock, seconds=settings.cache, most=most)
        self._no_users: Known[_Written, None] = Known(clock, seconds=settings.cache, most=most)
        self._no_groups: Known[_Written, None] = Known(clock, seconds=settings.cache, most=most)
        """Apart, so that whoever makes up addresses drives nobody out; and by what was asked for, to the letter: what
        the directory does not find of one way of writing says nothing of a user whom it finds by another."""
        self._logins = BoundLogins(clock, seconds=settings.login_cache, most=most)
        self._finding: Lookups[_Found | None] = Lookups(self._ask_for_user)
        self._following: Lookups[tuple[EmailAddress, ...] | None] = Lookups(self._ask_for_group)
        self._members = GroupMembers(name, settings, run=run, clock=clock, bounds=bounds)
        self._seldom = Seldom(clock)
        self._decoy_key = os.urandom(32)

    async def look(self) -> None:
        """A directory does not tell what has changed."""

    async def find_user(self, address: EmailAddress) -> User | None:
        found = await self._find(address)
        return found.user if found is not None and found.user.address == address else None

    def known_user(self, address: EmailAddress) -> User | None:
        found = self._users.latest(address)
        return found.user if found is not None and found.user.address == address else None

    async def user_of_alias(self, address: EmailAddress) -> User | None:
        found = await self._find(address)
        return found.user if found is not None and found.user.address != address else None

    async def alias(self, address: EmailAddress) -> tuple[EmailAddress, ...] | None:
        if self._settings.groups is None:
            return None
        kept = self._groups.fresh(address) or self._no_groups.fresh(address.written)
        if kept is not None:
            return kept[0]
        return await self._following.of(address)

    async def authenticate(self, address: EmailAddress, password: bytes, service: Service) -> LoggedIn:
        if not password.strip() or b"\0" in password:  # a bind without a password succeeds (RFC 4513 section 5.1.2)
            raise AuthenticationFailed("Authentication failed", cause="an empty password, or one with a NUL")
        found = await self._find(address)
        user = found.user if found is not None and found.user.address == address else None
        dn = found.dn if found is not None and user is not None else self._decoy(address)
        accepted = await self._accepts(user, dn, password)
        if user is None or not user.may_use(service) or not accepted:
            raise AuthenticationFailed("Authentication failed", cause=_why_not(user, service))
        return LoggedIn(user)

    async def _accepts(self, user: User | None, dn: str, password: bytes) -> bool:
        """Whether this is the entry's password, as the directory says now or said of the user a moment ago."""
        if user is not None and self._logins.holds(user.address, dn, password):
            return True
        accepted = await self._run(self._directory.accepts, dn, password)
        if user is not None and accepted:
            self._logins.accepted(user.address, dn, password)
        elif user is not None:
            self._logins.refused(user.address)
        return accepted

    async def scram_keys(self, address: EmailAddress) -> tuple[ScramKeys, bool]:
        """No directory tells its passwords: all keys are made up."""
        return made_up_keys(self._decoy_key, address.folded), False

    async def by_keys(self, address: EmailAddress, stored_key: bytes, service: Service) -> LoggedIn:
        raise AuthenticationFailed("Authentication failed", cause="nobody has keys in a directory")

    async def objection(self, logged_in: LoggedIn, service: Service) -> str:
        """What the directory says of the user; it does not tell that a password changed."""
        user = await self.find_user(logged_in.user.address)
        return "" if user is not None and user.may_use(service) else _why_not(user, service)

    async def refresh(self) -> None:
        """Ask for everything anew when it is next wanted."""
        self.edition += 1
        self._users.forget()
        self._groups.forget()
        self._members.forget()
        self._no_users.forget()
        self._no_groups.forget()
        self._logins.forget()

    async def _find(self, address: EmailAddress) -> _Found | None:
        """Whoever has this address, as their own or as an alias."""
        kept = self._users.fresh(address) or self._no_users.fresh(address.written)
        return kept[0] if kept is not None else await self._finding.of(address)

    async def _ask_for_user(self, address: EmailAddress) -> _Found | None:
        edition = self.edition
        try:
            found = await self._run(self._read_user, address, self._question())
        except EntryFault as fault:
            raise self._unusable(address, str(fault)) from fault
        if edition != self.edition:  # `refresh` came in between: this may be what was so before
            return found
        if found is not None:
            self._users.note(found.user.address, found)  # whose mailbox it is, also of mail to an alias
            self._users.keep(address, found)
        else:
            self._no_users.keep(address.written, None)
        return found

    async def _ask_for_group(self, address: EmailAddress) -> tuple[EmailAddress, ...] | None:
        assert self._settings.groups is not None
        edition = self.edition
        try:
            targets = await self._members.of(address, self._settings.groups, self._question())
        except EntryFault as fault:
            raise self._unusable(address, str(fault)) from fault
        if edition == self.edition and targets is not None:
            self._groups.keep(address, targets)
        elif edition == self.edition:
            self._no_groups.keep(address.written, None)
        return targets

    def _question(self) -> Question:
        return Question(self._directory, self._clock, seconds=ANSWERS * self._settings.timeout)

    def _read_user(self, address: EmailAddress, question: Question) -> _Found | None:
        """Blocks; raises `EntryFault`."""
        query = self._query(address)
        entry = question.one(query)
        if entry is None:
            self._see_that_others_are_there(query, question)
            return None
        user = self._checked(entry)
        if address != user.address and address not in user.aliases:
            return None  # the directory's idea of which texts are alike is not ours
        return _Found(self._restricted(user, entry.dn, question), entry.dn)

    def _query(self, address: EmailAddress) -> Query:
        settings = self._settings
        asked = fill_filter(settings.user_filter, address)
        names = attribute_names(settings.attributes)
        if settings.dn_template is not None:
            return Query(fill_dn(settings.dn_template, address), asked, names, this_entry=True)
        return Query(settings.base, asked, names)

    def _see_that_others_are_there(self, query: Query, question: Question) -> None:
        """Where a template tells the entry: that it is not there says nothing of a user where all others are gone too.
        A search says as much by itself."""
        if query.this_entry:
            question.search(Query(parent(query.base), ANY_ENTRY, this_entry=True, is_known=True))

    def _checked(self, entry: Entry) -> User:
        try:
            return user_of(entry, self._settings.attributes, most=self._bounds.members)
        except EntryFault as fault:
            raise EntryFault(f"{entry.dn}: {fault}") from fault

    def _restricted(self, user: User, dn: str, question: Question) -> User:
        """The user without what the filters for disabled users and for services take away."""
        settings = self._settings
        enabled = settings.disabled is None or not _fits(dn, settings.disabled, question)
        refused = {name for name, asked in settings.services.items() if not _fits(dn, asked, question)}
        services = frozenset(service for service in Service if service.value not in refused)
        return replace(user, enabled=enabled, services=services)

    def _unusable(self, address: EmailAddress, why: str) -> AuthenticationUnavailable:
        cause = f"realm {self.name}, {address}: {why}"
        if self._seldom.is_due(address):
            self._log.error("The directory cannot be used: {cause!r}", cause=cause)
        return AuthenticationUnavailable("The user directory cannot be used", cause=cause)

    def _decoy(self, address: EmailAddress) -> str:
        """A name that nobody has, for the time that a bind takes."""
        digest = hmac.digest(self._decoy_key, address.folded.encode(), hashlib.sha256).hex()
        return f"cn={dn_value(digest)},{self._settings.base}"


def _fits(dn: str, asked: str, question: Question) -> bool:
    return bool(question.search(Query(dn, asked, this_entry=True, is_known=True)))


def _why_not(user: User | None, service: Service) -> str:
    if user is None:
        return "no such user"
    if not user.enabled:
        return "the user is disabled"
    return "wrong password" if user.may_use(service) else "the user may not use this service"
