"""Logins that succeeded a moment ago, so that a client that comes back every few seconds costs no new hash."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable

from mailbox_d.auth.passwords import StoredPassword
from mailbox_d.auth.realm import User

DEFAULT_SECONDS = 300.0
DEFAULT_SIZE = 10_000


class SuccessCache:
    """Remembers that a user's stored password was verified with a password, for a bounded time and number of logins.

    What is kept is an HMAC over all three under a key that lives as long as the object: a change of the stored
    password, or of the user, is another entry, so that nothing stale can pass and no password can be read from here.
    `clock` is monotonic, in seconds. The oldest entries go first.
    """

    def __init__(
        self, clock: Callable[[], float], *, seconds: float = DEFAULT_SECONDS, size: int = DEFAULT_SIZE
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._size = size
        self._key = os.urandom(32)
        self._expiries: OrderedDict[bytes, float] = OrderedDict()

    def holds(self, user: User, stored: StoredPassword, password: bytes) -> bool:
        """Whether this very login succeeded lately. It does not become younger by that."""
        login = self._login(user, stored, password)
        expiry = self._expiries.get(login)
        if expiry is None:
            return False
        if expiry <= self._clock():
            del self._expiries[login]
            return False
        return True

    def remember(self, user: User, stored: StoredPassword, password: bytes) -> None:
        """Keep a login that was just verified; one against a plain password is as cheap as the cache, and not kept."""
        if stored.is_plain or self._size < 1:
            return
        login = self._login(user, stored, password)
        self._expiries[login] = self._clock() + self._seconds
        self._expiries.move_to_end(login)
        while len(self._expiries) > self._size:
            self._expiries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._expiries)

    def _login(self, user: User, stored: StoredPassword, password: bytes) -> bytes:
        parts = (
            user.address.domain.encode(),
            user.address.key.encode(),
            stored.scheme.encode(),
            stored.value,
            password,
        )
        message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._key, message, hashlib.sha256)
