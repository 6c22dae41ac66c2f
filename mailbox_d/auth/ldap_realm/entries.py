"""What an entry of the directory says of a user. Values are checked: the directory is no more trusted than a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mailbox_d.address import EmailAddress
from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS
from mailbox_d.auth.realm import SenderGrant, User, why_no_folder
from mailbox_d.config.faults import Refusal
from mailbox_d.config.ldap import LdapAttributes
from mailbox_d.config.units import parse_size
from mailbox_d.errors import AddressError
from mailbox_d.store.layout import check_place

_PREFIX = "smtp:"
"""What stands before each mail address in Active Directory's proxyAddresses."""


class EntryFault(Exception):
    """An entry says what cannot be, or leaves out what must be there."""


class NoAddress(EntryFault):
    """An entry has no address."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its DN, and the values of the attributes asked for, by their names in lower case."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]

    def values(self, name: str | None) -> tuple[bytes, ...]:
        """The values of an attribute; none where there is none, or where no attribute is named. Raises `EntryFault`
        where the directory gives but some of them: Active Directory does of many, as `member;range=0-1499`."""
        if name is None:
            return ()
        if any(given.startswith(f"{name.lower()};range=") for given in self.attributes):
            raise EntryFault(f"{name} has more values than the directory gives at a time")
        return self.attributes.get(name.lower(), ())


def attribute_names(names: LdapAttributes) -> tuple[str, ...]:
    """The attributes to ask for."""
    given = (names.address, names.aliases, names.quota, names.quota_messages, names.senders, names.maildir)
    return tuple(name for name in given if name is not None)


def user_of(entry: Entry, names: LdapAttributes, *, most: int = DEFAULT_BOUNDS.members) -> User:
    """The user whom an entry describes, enabled and allowed everything, with `most` aliases and grants. Raises
    `EntryFault`."""
    for name in (names.aliases, names.senders):
        if len(entry.values(name)) > most:
            raise EntryFault(f"{name} has more than {most} values")
    aliases = tuple(addresses(entry, names.aliases))
    return User(
        own_address(entry, names.address),
        quota=_size(entry, names.quota),
        aliases=aliases,
        quota_messages=_count(entry, names.quota_messages),
        senders=tuple(_grants(entry, names.senders)),
        maildir=_place(entry, names.maildir),
    )


def own_address(entry: Entry, name: str) -> EmailAddress:
    """The one address that an entry has. Raises `NoAddress`; `EntryFault`: with two of them nobody knows whose the
    Maildir is."""
    value = _only(entry, name)
    if value is None:
        raise NoAddress(f"there is no {name}")
    try:
        address = EmailAddress.parse(value)
    except AddressError as error:
        raise EntryFault(f"{name} is no address") from error
    if problem := why_no_folder(address):
        raise EntryFault(f"no folder can be named after {name}: {problem}")
    return address


def addresses(entry: Entry, name: str | None) -> Iterator[EmailAddress]:
    """The addresses among an attribute's values; what is none is passed over."""
    for value in entry.values(name):
        text = value.decode("utf-8", "surrogateescape")
        if text[: len(_PREFIX)].lower() == _PREFIX:
            text = text[len(_PREFIX) :]
        try:
            yield EmailAddress.parse(text)
        except AddressError:
            continue


def _grants(entry: Entry, name: str | None) -> Iterator[SenderGrant]:
    for value in entry.values(name):
        try:
            yield SenderGrant.parse(value.decode("utf-8", "surrogateescape"))
        except AddressError:
            continue


def _place(entry: Entry, name: str | None) -> str | None:
    """Where the Maildir is to lie. An entry that does not say it is a fault where one does: the mail would go where
    nobody looks."""
    if name is None:
        return None
    text = _only(entry, name)
    if text is None:
        raise EntryFault(f"there is no {name}")
    try:
        check_place(text)
    except AddressError as error:
        raise EntryFault(f"{name} is no path of a Maildir: {error.cause}") from error
    return text


def _size(entry: Entry, name: str | None) -> int | None:
    text = _only(entry, name)
    if text is None:
        return None
    try:
        octets = parse_size(int(text) if _is_number(text) else text)
    except Refusal as refusal:
        raise EntryFault(f"{name}: {refusal.problem}") from refusal
    return _above_zero(octets, name)


def _count(entry: Entry, name: str | None) -> int | None:
    text = _only(entry, name)
    if text is None:
        return None
    if not _is_number(text):
        raise EntryFault(f"{name} is no number")
    return _above_zero(int(text), name)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _above_zero(number: int, name: str | None) -> int:
    if number < 1:
        raise EntryFault(f"no mail fits into {name}")
    return number


def _only(entry: Entry, name: str | None) -> str | None:
    """An attribute's one value, None where it has none. Raises `EntryFault`."""
    values = entry.values(name)
    if len(values) > 1:
        raise EntryFault(f"{name} has {len(values)} values")
    if not values:
        return None
    try:
        return values[0].decode()
    except UnicodeDecodeError as error:
        raise EntryFault(f"{name} is not UTF-8") from error
