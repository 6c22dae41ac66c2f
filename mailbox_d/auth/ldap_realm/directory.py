"""What the realm asks of a directory, whoever answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mailbox_d.auth.ldap_realm.entries import Entry

ANY_ENTRY = "(objectClass=*)"
"""The filter that fits every entry (RFC 4511 section 4.5.1.7.5)."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search (RFC 4511 section 4.5): below `base`, or with `this_entry` of that entry alone. `is_known`: the entry is
    there as far as we know; whether the filter fits it is not told by its being gone."""

    base: str
    filter: str
    attributes: tuple[str, ...] = ()
    this_entry: bool = False
    is_known: bool = False


class LdapDirectory(Protocol):
    """A directory. Both methods block, are called from any thread, and raise `AuthenticationUnavailable`."""

    def search(self, query: Query) -> tuple[Entry, ...]:
        """The entries found, two at most; with `this_entry` none where there is none."""

    def accepts(self, dn: str, password: bytes) -> bool:
        """Whether this is the password of the entry (a simple bind). Neither may be empty."""
