"""What is done to users and aliases, as plans for a file's edit. An address is found however the file writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import StoredPassword
from mailbox_d.auth.users_edit.changes import Append, CannotEdit, Change, Put, Remove
from mailbox_d.auth.users_edit.replacing import Editing, Plan, edit_users
from mailbox_d.config.source import Plain
from mailbox_d.errors import AddressError
from mailbox_d.store.files import FileSystem


def replace_password(
    path: Path, address: EmailAddress, old: StoredPassword, new: str, editing: Editing | None = None
) -> None:
    """Store a user's password anew, if it is still the one that was known; nobody's lock is waited for.

    Raises as `edit_users` does.
    """

    def plan(document: Plain) -> Sequence[Change]:
        key = _user_key(document, address)
        stored = _section(document, "users")[key]
        text = stored.get("password") if isinstance(stored, dict) else None
        if not isinstance(text, str) or StoredPassword.parse(text) != old:
            raise CannotEdit(f"the password of {address} was changed meanwhile")
        return [Put(("users", key, "password"), new)]

    edit_users(path, plan, editing or Editing(FileSystem(), patience=0.0))


def add_user(address: EmailAddress, entry: Mapping[str, Plain]) -> Plan:
    """A user who is not there yet."""

    def plan(document: Plain) -> Sequence[Change]:
        if _key_of(_section(document, "users"), address) is not None:
            raise CannotEdit(f"{address} is there already")
        return [Put(("users", str(address)), dict(entry))]

    return plan


def set_user(address: EmailAddress, key: str, value: Plain) -> Plan:
    """One key of a user's; None takes it away."""

    def plan(document: Plain) -> Sequence[Change]:
        user = _user_key(document, address)
        entry = _section(document, "users")[user]
        if value is None:
            return [Remove(("users", user, key))] if isinstance(entry, dict) and key in entry else []
        return [Put(("users", user, key), value)]

    return plan


def set_enabled(address: EmailAddress, *, enabled: bool) -> Plan:
    """Whether a user may log in; who may anyway needs no word of it."""

    def plan(document: Plain) -> Sequence[Change]:
        user = _user_key(document, address)
        entry = _section(document, "users")[user]
        there = entry.get("enabled", True) if isinstance(entry, dict) else True
        return [] if there is enabled else [Put(("users", user, "enabled"), enabled)]

    return plan


def remove_user(address: EmailAddress) -> Plan:
    """A user and all that the file says of them; aliases of the realm are left."""
    return lambda document: [Remove(("users", _user_key(document, address)))]


def add_app_password(address: EmailAddress, name: str, entry: Mapping[str, Plain]) -> Plan:
    """A password of a user's for one program, whose name is not taken."""

    def plan(document: Plain) -> Sequence[Change]:
        user = _user_key(document, address)
        there = app_passwords(document, address)
        if name in there:
            raise CannotEdit(f"{address} has an app password of this name already: {name}")
        path, of_user = ("users", user, "app_passwords"), _section(document, "users")[user]
        if isinstance(of_user, dict) and path[-1] in of_user:  # with comments in it, perhaps
            return [Put((*path, name), dict(entry))]
        return [Put(path, {name: dict(entry)})]

    return plan


def remove_app_password(address: EmailAddress, name: str) -> Plan:
    """One of them; the last one takes the key along."""

    def plan(document: Plain) -> Sequence[Change]:
        user = _user_key(document, address)
        there = app_passwords(document, address)
        if name not in there:
            raise CannotEdit(f"{address} has no app password of this name: {name}")
        path = ("users", user, "app_passwords")
        return [Remove((*path, name) if len(there) > 1 else path)]

    return plan


def app_passwords(document: Plain, address: EmailAddress) -> dict[str, Plain]:
    """A user's app passwords by their names, as the file has them."""
    entry = _section(document, "users")[_user_key(document, address)]
    there = entry.get("app_passwords") if isinstance(entry, dict) else None
    return there if isinstance(there, dict) else {}


def add_alias(alias: EmailAddress, targets: Sequence[EmailAddress]) -> Plan:
    """An alias of the realm, or further addresses to which one that is there leads."""

    def plan(document: Plain) -> Sequence[Change]:
        aliases = _section(document, "aliases")
        key = _key_of(aliases, alias)
        if key is None:
            new: Plain = str(targets[0]) if len(targets) == 1 else [str(target) for target in targets]
            missing = not (isinstance(document, dict) and "aliases" in document)
            return [Put(("aliases",), {str(alias): new}) if missing else Put(("aliases", str(alias)), new)]
        return _more_targets(key, aliases[key], targets)

    return plan


def _more_targets(key: str, there: Plain, targets: Sequence[EmailAddress]) -> Sequence[Change]:
    known = _items(there)
    more: list[Plain] = [str(target) for target in targets if _index_of(known, target) is None]
    if more and not isinstance(there, list):
        return [Put(("aliases", key), [*known, *more])]
    return [Append(("aliases", key), tuple(more))] if more else []


def remove_alias(alias: EmailAddress, targets: Sequence[EmailAddress]) -> Plan:
    """Addresses to which an alias leads; without any, or where none would be left, the alias."""

    def plan(document: Plain) -> Sequence[Change]:
        aliases = _section(document, "aliases")
        key = _key_of(aliases, alias)
        if key is None:
            raise CannotEdit(f"{alias} is no alias of the realm")
        known = _items(aliases[key])
        indexes = {_target_index(known, target, alias) for target in targets}
        if not targets or len(indexes) == len(known):
            return [Remove(("aliases", key))]
        return [Remove(("aliases", key, index)) for index in sorted(indexes, reverse=True)]

    return plan


def _target_index(known: list[Plain], target: EmailAddress, alias: EmailAddress) -> int:
    index = _index_of(known, target)
    if index is None:
        raise CannotEdit(f"{alias} does not lead to {target}")
    return index


def _items(value: Plain) -> list[Plain]:
    """A list, or the one item that stands for it."""
    return value if isinstance(value, list) else [value]


def _section(document: Plain, name: str) -> dict[str, Plain]:
    section = document.get(name, {}) if isinstance(document, dict) else {}
    return section if isinstance(section, dict) else {}


def _user_key(document: Plain, address: EmailAddress) -> str:
    key = _key_of(_section(document, "users"), address)
    if key is None:
        raise CannotEdit(f"there is no user {address}")
    return key


def _key_of(entries: Mapping[str, Plain], address: EmailAddress) -> str | None:
    """How an address is written among the keys of a mapping."""
    if str(address) in entries:
        return str(address)
    return next((key for key in entries if _is(key, address)), None)


def _index_of(items: Sequence[Plain], address: EmailAddress) -> int | None:
    return next((index for index, item in enumerate(items) if isinstance(item, str) and _is(item, address)), None)


def _is(text: str, address: EmailAddress) -> bool:
    try:
        return EmailAddress.parse(text) == address
    except AddressError:
        return False
