"""Passwords that a directory accepted a moment ago, so that clients that often come back cost no bind."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable

from mailbox_d.address import EmailAddress


class BoundLogins:
    """The last password of each user with which a bind was made, for a bounded time and number of users.

    What is kept is an HMAC over the user, the entry and the password, under a key that lives as long as the object: no
    password can be read from here, two users with one password are told apart, and an entry that moved is another one.
    `clock` is monotonic, in seconds; with 0 `seconds` nothing is kept. The oldest go first.
    """

    def __init__(self, clock: Callable[[], float], *, seconds: float, most: int) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._key = os.urandom(32)
        self._accepted: OrderedDict[EmailAddress, tuple[float, bytes]] = OrderedDict()

    def holds(self, user: EmailAddress, dn: str, password: bytes) -> bool:
        """Whether this very bind was made lately. It does not become younger by that."""
        until, login = self._accepted.get(user, (float("-inf"), b""))
        return self._clock() < until and hmac.compare_digest(login, self._login(user, dn, password))

    def accepted(self, user: EmailAddress, dn: str, password: bytes) -> None:
        """Keep a bind that was just made; another password of the user is forgotten."""
        if self._seconds <= 0:
            return
        self._accepted[user] = (self._clock() + self._seconds, self._login(user, dn, password))
        self._accepted.move_to_end(user)
        while len(self._accepted) > self._most:
            self._accepted.popitem(last=False)

    def refused(self, user: EmailAddress) -> None:
        """A bind failed: what was accepted before has to prove itself again."""
        self._accepted.pop(user, None)

    def forget(self) -> None:
        """Have every bind made anew."""
        self._accepted.clear()

    def __len__(self) -> int:
        return len(self._accepted)

    def _login(self, user: EmailAddress, dn: str, password: bytes) -> bytes:
        parts = (user.domain.encode(), user.key.encode(), dn.encode("utf-8", "surrogateescape"), password)
        return hmac.digest(self._key, b"".join(len(part).to_bytes(8, "big") + part for part in parts), hashlib.sha256)
