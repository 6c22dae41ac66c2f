"""All that is asked of a directory for one address: many searches it may be, and one time for them together."""

from __future__ import annotations

from collections.abc import Callable

from mailbox_d.auth.ldap_realm.directory import LdapDirectory, Query
from mailbox_d.auth.ldap_realm.entries import Entry, EntryFault
from mailbox_d.errors import AuthenticationUnavailable

ANSWERS = 6
"""As many answers as may take all of their time. More searches than these are made where the directory is quicker."""


class Question:
    """Searches until its time is over, which passes also while it waits for a thread. `clock` is in seconds."""

    def __init__(self, directory: LdapDirectory, clock: Callable[[], float], *, seconds: float) -> None:
        self._directory = directory
        self._clock = clock
        self._seconds = seconds
        self._until = clock() + seconds

    def search(self, query: Query) -> tuple[Entry, ...]:
        """What a search finds. Blocks; raises `AuthenticationUnavailable`."""
        if self._clock() >= self._until:
            cause = f"all that is to be asked for one address takes more than {self._seconds:g} s, {query.base} at last"
            raise AuthenticationUnavailable("The user directory does not answer", cause=cause)
        return self._directory.search(query)

    def one(self, query: Query) -> Entry | None:
        """The entry that has the address; None where there is none. Raises `EntryFault` for several."""
        entries = self.search(query)
        if len(entries) > 1:
            raise EntryFault("several entries have this address")
        return entries[0] if entries else None
