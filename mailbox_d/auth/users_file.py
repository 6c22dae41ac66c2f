"""The YAML file of a realm's users and aliases: read whole, checked whole, every fault of it told at once.

users:
  alice@example.org: {password: "{ARGON2ID}…", quota: 1 GiB, aliases: [a.smith@example.org], enabled: true}
  bob@example.net:
    password: "{ARGON2ID}…"
    services: [imap, submission]
    senders: [info@example.net, "@example.com"]
    app_passwords:
      phone: {password: "{ARGON2ID}…", services: [imap]}
aliases:
  sales@example.org: [alice@example.org, bob@example.net]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.auth.alias_loops import loops
from mailbox_d.auth.passwords import DEFAULT_CEILING, StoredPassword
from mailbox_d.auth.realm import SenderGrant, Service, User, why_no_folder
from mailbox_d.auth.schemes import CostCeiling
from mailbox_d.config.faults import ConfigurationError, Fault, KeyPath, Refusal, kind, shown, unknown
from mailbox_d.config.source import Document, DocumentLimits, Plain, parse_document, read_text
from mailbox_d.config.units import Count, parse_size
from mailbox_d.errors import AddressError
from mailbox_d.store.layout import check_place

_DOCUMENT = DocumentLimits(size=16 << 20, depth=8, nodes=1_000_000)


@dataclass(frozen=True, slots=True)
class UsersFileLimits:
    """What a users file may hold before it is refused."""

    document: DocumentLimits = _DOCUMENT
    users: int = 50_000
    addresses_per_alias: int = 1_000
    """Also how many aliases one user may have."""
    senders: int = 100
    """Grants of one user: each address in From is held against each."""
    app_passwords: int = 20
    """Of one user: a login is held against each."""
    ceiling: CostCeiling = DEFAULT_CEILING


DEFAULT_LIMITS = UsersFileLimits()


@dataclass(frozen=True, slots=True)
class AppPassword:
    """A further password, of one program or device, with which its owner may use some services."""

    name: str
    password: StoredPassword = field(repr=False)
    services: frozenset[Service] = frozenset(Service)


@dataclass(frozen=True, slots=True)
class Login:
    """A user and how their passwords are stored."""

    user: User
    password: StoredPassword = field(repr=False)
    app_passwords: tuple[AppPassword, ...] = ()

    def passwords_for(self, service: Service) -> tuple[tuple[str, StoredPassword], ...]:
        """What a login to a service is held against, each with its name: their own, which has none, then the others."""
        others = ((one.name, one.password) for one in self.app_passwords if service in one.services)
        return (("", self.password), *others)


@dataclass(frozen=True, slots=True)
class Users:
    """What a users file says: who may log in by address, whose each user's own alias is, where other aliases lead.

    No address is in two of these.
    """

    logins: Mapping[EmailAddress, Login]
    owners: Mapping[EmailAddress, User]
    aliases: Mapping[EmailAddress, tuple[EmailAddress, ...]]


def read_users(path: Path, limits: UsersFileLimits = DEFAULT_LIMITS) -> Users:
    """Read a users file. Raises `ConfigurationError` with every fault found. Blocks: seconds for thousands of users."""
    document = parse_document(read_text(path, limits.document), str(path), limits.document)
    reading = _Reading(document, limits)
    users = reading.users()
    written_wrongly = {fault.key for fault in document.faults}
    faults = [*document.faults, *(fault for fault in reading.faults if fault.key not in written_wrongly)]
    if faults:
        raise ConfigurationError(faults)
    return users


_TOP_KEYS = ("users", "aliases")
_USER_KEYS = (
    *("password", "quota", "quota_messages", "aliases", "services", "senders", "app_passwords", "enabled"),
    "maildir",
)
_APP_PASSWORD_KEYS = ("password", "services")
_SERVICES = tuple(service.value for service in Service)
_NAME = re.compile(r"\w[\w.-]{0,63}")
_MESSAGES = Count(least=1)
_AN_ADDRESS = "an address such as bob@example.org"
_A_GRANT = "an address, or @ and a domain for all of its addresses"
_A_SERVICE = "one of " + ", ".join(_SERVICES)
_APP_PASSWORD_NAME = "letters, digits, dots, hyphens and underscores, at most 64"
_A_PLACE = "a path below storage.maildirs, such as staff/alice"
_LOOP_SHOWN = 40
"""Addresses of a loop that a fault begins to repeat: it has no room for so many."""
_A_HASH = 'text in quotes: "{SCHEME}hash"'


class _Reading:
    """One document on its way to a value. `faults` grows; what is at fault is left out of the value."""

    def __init__(self, document: Document, limits: UsersFileLimits) -> None:
        self.faults: list[Fault] = []
        self._document = document
        self._limits = limits
        self._places: dict[EmailAddress, KeyPath] = {}
        """Where each user and alias was first named."""

    def users(self) -> Users:
        root = self._mapping(self._document.value, (), "users: and aliases:")
        self._refuse_unknown(root, (), _TOP_KEYS)
        if isinstance(self._document.value, dict) and "users" not in root:
            self._refuse((), "the key users is missing", "users:, with {} behind it where there are none")
        logins = dict(self._logins(root.get("users", {})))
        owners = {alias: login.user for login in logins.values() for alias in login.user.aliases}
        aliases = dict(self._aliases(root.get("aliases", {})))
        self._refuse_loops(aliases, {*logins, *owners})
        return Users(logins, owners, aliases)

    def _logins(self, value: Plain) -> Iterator[tuple[EmailAddress, Login]]:
        entries = self._mapping(value, ("users",), "users by their addresses")
        if len(entries) > self._limits.users:
            self._refuse(("users",), f"these are {len(entries)} users", f"at most {self._limits.users}")
            return
        addresses = [self._user_address(text) for text in entries]
        for address, (text, entry) in zip(addresses, entries.items(), strict=True):
            login = self._login(address, entry, ("users", text))
            if address is not None and login is not None:
                yield address, login

    def _user_address(self, text: str) -> EmailAddress | None:
        path: KeyPath = ("users", text)
        address = self._claimed_address(text, path, at_key=True)
        if address is not None and (problem := why_no_folder(address)):
            self._refuse(path, problem, "an address that a folder can be named after", at_key=True)
            return None
        return address

    def _login(self, address: EmailAddress | None, value: Plain, path: KeyPath) -> Login | None:
        """A user's entry, which is checked also where the address is at fault."""
        if not isinstance(value, dict):
            self._refuse(path, "this is not a mapping", f"password: with {_A_HASH}, and more")
            return None
        self._refuse_unknown(value, path, _USER_KEYS)
        password = self._password(value, path)
        quota = self._quota(value.get("quota"), (*path, "quota"))
        messages = self._quota_messages(value.get("quota_messages"), (*path, "quota_messages"))
        aliases = tuple(self._own_aliases(value.get("aliases", []), (*path, "aliases")))
        services = self._services(value, path)
        senders = tuple(self._senders(value.get("senders", []), (*path, "senders")))
        others = tuple(self._app_passwords(value.get("app_passwords", {}), (*path, "app_passwords")))
        enabled = self._enabled(value.get("enabled", True), (*path, "enabled"))
        maildir = self._maildir(value.get("maildir"), (*path, "maildir"))
        if address is None or password is None:
            return None
        return Login(User(address, quota, aliases, enabled, messages, services, senders, maildir), password, others)

    def _password(self, entry: Mapping[str, Plain], path: KeyPath) -> StoredPassword | None:
        """How the password is stored. No fault repeats the value: it may be a password without its scheme."""
        if "password" not in entry:
            self._refuse(path, "the password is missing", f"password: with {_A_HASH}", at_key=True)
            return None
        value = entry["password"]
        if not isinstance(value, str):
            self._refuse((*path, "password"), "this is not text", _A_HASH)
            return None
        try:
            return StoredPassword.parse(value, self._limits.ceiling)
        except Refusal as refusal:
            self._refuse((*path, "password"), refusal.problem, refusal.expected)
            return None

    def _services(self, entry: Mapping[str, Plain], path: KeyPath) -> frozenset[Service]:
        """The services that an entry names; all where it names none."""
        if "services" not in entry:
            return frozenset(Service)
        value, path = entry["services"], (*path, "services")
        if value == []:
            self._refuse(path, "these are no services", _A_SERVICE)
        named = list(self._texts(value, path, _A_SERVICE))
        for text, place in named:
            if text not in _SERVICES:
                self._refuse(place, *unknown("this service", text, _SERVICES))
        return frozenset(Service(text) for text, _ in named if text in _SERVICES)

    def _senders(self, value: Plain, path: KeyPath) -> Iterator[SenderGrant]:
        for text, place in self._texts(value, path, _A_GRANT, self._limits.senders):
            try:
                yield SenderGrant.parse(text)
            except (AddressError, UnicodeError):
                self._refuse(place, f"{shown(text)} is neither an address nor a domain's", _A_GRANT)

    def _app_passwords(self, value: Plain, path: KeyPath) -> Iterator[AppPassword]:
        if not isinstance(value, dict):
            self._refuse(path, "this is not a mapping", "app passwords by names of your own")
            return
        if len(value) > self._limits.app_passwords:
            self._refuse(path, f"these are {len(value)} app passwords", f"at most {self._limits.app_passwords}")
            return
        for name, entry in value.items():
            if (password := self._app_password(name, entry, (*path, name))) is not None:
                yield password

    def _app_password(self, name: str, value: Plain, path: KeyPath) -> AppPassword | None:
        if not _NAME.fullmatch(name):
            self._refuse(path, f"{shown(name)} is no name for an app password", _APP_PASSWORD_NAME, at_key=True)
        if not isinstance(value, dict):
            self._refuse(path, "this is not a mapping", f"password: with {_A_HASH}, and perhaps services")
            return None
        self._refuse_unknown(value, path, _APP_PASSWORD_KEYS)
        password, services = self._password(value, path), self._services(value, path)
        return AppPassword(name, password, services) if password is not None else None

    def _quota(self, value: Plain, path: KeyPath) -> int | None:
        if value is None:
            return None
        try:
            if (octets := parse_size(value)) > 0:
                return octets
            self._refuse(path, "no mail would fit into this quota", "a size such as 1 GiB, or no quota at all")
        except Refusal as refusal:
            self._refuse(path, refusal.problem, refusal.expected)
        return None

    def _quota_messages(self, value: Plain, path: KeyPath) -> int | None:
        if value is None:
            return None
        try:
            return int(_MESSAGES.read(value, Path()))
        except Refusal as refusal:
            self._refuse(path, refusal.problem, refusal.expected)
            return None

    def _maildir(self, value: Plain, path: KeyPath) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            self._refuse(path, self._kind(value, path), _A_PLACE)
            return None
        try:
            check_place(value)
        except AddressError as error:
            self._refuse(path, f"this is no path of a Maildir: {error.cause}", _A_PLACE)
            return None
        return value

    def _enabled(self, value: Plain, path: KeyPath) -> bool:
        if not isinstance(value, bool):
            self._refuse(path, self._kind(value, path), "true or false")
        return value is True

    def _own_aliases(self, value: Plain, path: KeyPath) -> Iterator[EmailAddress]:
        for text, place in self._texts(value, path):
            address = self._claimed_address(text, place, at_key=False)
            if address is not None:
                yield address

    def _aliases(self, value: Plain) -> Iterator[tuple[EmailAddress, tuple[EmailAddress, ...]]]:
        for text, leads_to in self._mapping(value, ("aliases",), "addresses by aliases").items():
            path: KeyPath = ("aliases", text)
            alias = self._claimed_address(text, path, at_key=True)
            targets = tuple(self._targets(leads_to, path))
            if alias is not None and targets:
                yield alias, targets

    def _targets(self, value: Plain, path: KeyPath) -> Iterator[EmailAddress]:
        if value == []:
            self._refuse(path, "this alias leads nowhere", _AN_ADDRESS)
        for text, place in self._texts(value, path):
            address = self._address(text, place, at_key=False)
            if address is not None:
                yield address

    def _refuse_loops(self, aliases: Mapping[EmailAddress, Sequence[EmailAddress]], final: set[EmailAddress]) -> None:
        """Follow each target as delivery does: as it is written, else without its suffix."""

        def next_alias(target: EmailAddress) -> EmailAddress:
            return target if target in aliases or target in final else target.without_suffix()

        followed = {alias: [next_alias(target) for target in targets] for alias, targets in aliases.items()}
        for loop in islice(loops(followed), self._limits.document.faults):
            way = " → ".join(map(str, loop[:_LOOP_SHOWN]))
            problem = f"this alias leads back to itself: {shown(way)}"
            self._refuse(self._places[loop[0]], problem, "a user in the end", at_key=True)

    def _claimed_address(self, text: str, path: KeyPath, *, at_key: bool) -> EmailAddress | None:
        """An address that no other user or alias of this file has, however it is written there."""
        address = self._address(text, path, at_key=at_key)
        if address is None:
            return None
        first = self._places.setdefault(address, path)
        if first is path:
            return address
        what = "a user" if len(first) == 2 and first[0] == "users" else "an alias"
        line = self._document.position(first).line
        self._refuse(path, f"{shown(text)} is already {what}, on line {line}", "each address once", at_key=at_key)
        return None

    def _address(self, text: str, path: KeyPath, *, at_key: bool) -> EmailAddress | None:
        if text.startswith("@"):
            problem, expected = f"{shown(text)} is a whole domain", f"{_AN_ADDRESS}, or the domain's catch_all"
        else:
            try:
                return EmailAddress.parse(text)
            except (AddressError, UnicodeError):
                problem, expected = f"{shown(text)} is not a mail address", _AN_ADDRESS
        self._refuse(path, problem, expected, at_key=at_key)
        return None

    def _texts(
        self, value: Plain, path: KeyPath, expected: str = _AN_ADDRESS, most: int | None = None
    ) -> Iterator[tuple[str, KeyPath]]:
        """The texts of a list, or the one that stands for a list, each with its place."""
        most = self._limits.addresses_per_alias if most is None else most
        if isinstance(value, str):
            yield value, path
        elif not isinstance(value, list):
            self._refuse(path, self._kind(value, path), f"{expected}, or a list of them")
        elif len(value) > most:
            self._refuse(path, f"these are {len(value)} entries", f"at most {most}")
        else:
            for index, item in enumerate(value):
                if isinstance(item, str):
                    yield item, (*path, index)
                else:
                    self._refuse((*path, index), self._kind(item, (*path, index)), expected)

    def _kind(self, value: Plain, path: KeyPath) -> str:
        return f"this is {kind(value, self._document.written(path))}"

    def _mapping(self, value: Plain, path: KeyPath, expected: str) -> dict[str, Plain]:
        if isinstance(value, dict):
            return value
        # Also for nothing at all: a file cut off in the middle of being written must not take all users away.
        self._refuse(path, self._kind(value, path), f"a mapping: {expected}")
        return {}

    def _refuse_unknown(self, entry: Mapping[str, Plain], path: KeyPath, known: Sequence[str]) -> None:
        for key in entry:
            if key not in known:
                self._refuse((*path, key), *unknown("this key", key, known), at_key=True)

    def _refuse(self, path: KeyPath, problem: str, expected: str, *, at_key: bool = False) -> None:
        self.faults.append(self._document.fault(path, problem, expected, at_key=at_key))
