"""When each user last logged in, and by which of their app passwords: what nobody uses any more can be taken away.

It is kept in a small file of the state folder, not with the users; what is lost of it is lost and no more.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import StoredPassword

LAST_USE = "last-use"
"""The file's name in the state folder."""

MOST = 100_000
"""Users and app passwords that are remembered."""

NOTED_AGAIN = 60.0
"""Seconds after which a login is news; what is known of a user's last one is behind by less."""

Use: TypeAlias = tuple[str, str, float]
"""A user's folded address, what a password is known by (`use_of`), seconds since 1970."""

_LINE = re.compile(r"([0-9]{1,12}) (-|\w[\w.-]{0,63}(?:~[0-9a-f]{8})?|~[0-9a-f]{8}) (.{1,601})")


class LastUse:
    """The last login by each password. Of more than `most`, those go that are longest ago. `clock`: since 1970."""

    def __init__(self, clock: Callable[[], float], *, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._times: OrderedDict[tuple[str, str], float] = OrderedDict()
        self.is_new = False
        """Whether something is not on disk; whoever writes it down says so."""

    def note(self, address: EmailAddress, by: str = "") -> None:
        """A user has just logged in, by the password that is known by this. The time of a login that is no
        news stays as it was: who comes often would be news never again."""
        user, now = address.folded, self._clock()
        if abs(now - self._times.get((user, by), float("-inf"))) >= NOTED_AGAIN:
            self._times[user, by], self.is_new = now, True
        self._times.move_to_end((user, by))
        if len(self._times) > self._most:
            self._times.popitem(last=False)

    def known(self, address: EmailAddress) -> Mapping[str, float]:
        """When a user last logged in, by what their passwords are known by."""
        return uses_of(self.rows(), address)

    # -- what is kept ----------------------------------------------------------------------------------------------

    def rows(self) -> tuple[Use, ...]:
        """All, the last at the end."""
        return tuple((user, by, when) for (user, by), when in self._times.items())

    def recall(self, rows: Sequence[Use]) -> None:
        """Take what was kept, as it was before anything that was noted since."""
        for user, by, when in reversed(rows):
            if len(self._times) < self._most and (user, by) not in self._times:
                self._times[user, by] = when
                self._times.move_to_end((user, by), last=False)

    @staticmethod
    def line(row: Use) -> str:
        """As a line of the file, without its end."""
        user, by, when = row
        return f"{when:.0f} {by or '-'} {user}"

    @staticmethod
    def row(line: str) -> Use | None:
        """What a line of the file says; None where it is damaged."""
        if (match := _LINE.fullmatch(line)) is None or not line.isprintable():
            return None
        return match[3], "" if match[2] == "-" else match[2], float(match[1])


def use_of(by: str, stored: StoredPassword | None) -> str:
    """What a user's password is known by: the app password's name (empty: their own), and a mark of how it is stored,
    so that the next password of that name, or user of that address, has not used it yet.

    One that is stored as it is has no mark.
    """
    if stored is None or stored.is_plain:
        return by
    digest = hashlib.sha256(stored.scheme.encode("ascii") + b"\0" + stored.value).hexdigest()
    return f"{by}~{digest[:8]}"


def uses_of(rows: Sequence[Use], address: EmailAddress) -> dict[str, float]:
    """Of what is kept, what is of one user: times by what passwords are known by."""
    user = address.folded
    return {by: when for whose, by, when in rows if whose == user}
