"""What a directory may cost, whatever it says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LdapBounds:
    """`answer`: octets of all that a server says to one request; `messages`: entries, references and the end of a
    search, of which two entries are asked for. `members`: of a group, and values of an entry's attribute that has many.

    `connections`: those kept for the next question, for searches and for binds each, for `idle` seconds: a firewall may
    have forgotten older ones. `rest`: seconds for which a server that failed is not tried again; those who wait are
    answered at once meanwhile. `remembered`: addresses of which is kept what was said: of users, strangers, groups and
    logins so many each.
    """

    answer: int = 1 << 20
    messages: int = 16
    members: int = 1_000
    connections: int = 8
    idle: float = 60.0
    rest: float = 2.0
    remembered: int = 10_000


DEFAULT_BOUNDS = LdapBounds()
