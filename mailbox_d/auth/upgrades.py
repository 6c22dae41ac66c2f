"""Passwords that are stored in a way that is out of date are stored anew when their owner logs in: only then are they
known.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import ARGON2ID, DEFAULT_COST, HashCost, StoredPassword, hash_password
from mailbox_d.auth.realm import RunInLane
from mailbox_d.auth.schemes import SCRAM, argon2_work
from mailbox_d.auth.scram_keys import ITERATIONS, is_invisible, read_keys
from mailbox_d.printable import one_line

PAUSE = 10.0
"""Seconds between two changes of a file, at the least."""

PAUSE_SHARE = 20
"""How many times as long as a change took nothing is changed: of many users' file each is read, more than once."""

PAUSE_AFTER_FAILURE = 600.0
"""Seconds. A file that may not be written is none to try at each login."""

REMEMBERED = 10_000
"""Users whose password was stored anew, of whom is remembered what it was made of: the last ones."""

_BCRYPT_OCTETS = 72


class ReplacePassword(Protocol):
    """Stores a user's password anew in a file, if it is still `old` there. Blocks; raises where that fails."""

    def __call__(self, path: Path, address: EmailAddress, old: StoredPassword, new: str, /) -> None: ...


def usual_scheme(mechanisms: Collection[str]) -> str:
    """How passwords are stored where users log in by these mechanisms."""
    return SCRAM if SCRAM in mechanisms else ARGON2ID


class HashUpgrades:
    """New hashes for one users file, one at a time and not often; who comes meanwhile has theirs at a later login.

    A hash is made through `hash`, the file is changed through `edit`. `scheme` is one of `NEW_SCHEMES`. `clock` is
    monotonic, in seconds.
    """

    _log = Logger()

    def __init__(
        self,
        path: Path,
        replace: ReplacePassword,
        *,
        hash: RunInLane,
        edit: RunInLane,
        clock: Callable[[], float],
        scheme: str = ARGON2ID,
        cost: HashCost = DEFAULT_COST,
    ) -> None:
        self._path = path
        self._replace = replace
        self._hash = hash
        self._edit = edit
        self._clock = clock
        self._scheme = scheme
        self._cost = cost
        self._is_busy = False
        self._next = float("-inf")
        self._read: Callable[[], Awaitable[object]] | None = None
        self._made: OrderedDict[EmailAddress, tuple[StoredPassword, StoredPassword]] = OrderedDict()

    def consider(self, address: EmailAddress, stored: StoredPassword, password: bytes) -> None:
        """A user has logged in by this password; what comes of it is not waited for, and fails nobody's login."""
        if self._is_busy or self._clock() < self._next or not self._is_behind(stored, password):
            return
        self._is_busy = True
        Deferred.fromCoroutine(self._upgrade(address, stored, password))

    def when_changed(self, read: Callable[[], Awaitable[object]]) -> None:
        """Have the file read after each change, before somebody looks a user up and waits for that."""
        self._read = read

    def was_made_of(self, address: EmailAddress, old: StoredPassword, new: StoredPassword) -> bool:
        """Whether `new` is the same password of the user as `old`, stored anew here."""
        return self._made.get(address) == (old, new)

    def _note(self, address: EmailAddress, old: StoredPassword, new: StoredPassword) -> None:
        self._made[address] = (old, new)
        self._made.move_to_end(address)
        if len(self._made) > REMEMBERED:
            self._made.popitem(last=False)

    def _is_behind(self, stored: StoredPassword, password: bytes) -> bool:
        if is_invisible(password):
            return False  # it is made no worse than it is
        if stored.scheme == "BLF-CRYPT" and len(password) > _BCRYPT_OCTETS:
            return False  # what stands behind them was never checked
        if stored.scheme == SCRAM:  # somebody chose it: it is made no other
            return read_keys(stored.value).iterations < ITERATIONS
        if self._scheme == SCRAM or stored.scheme != ARGON2ID:
            return True
        return argon2_work(stored.value) < self._cost.passes * self._cost.memory

    async def _upgrade(self, address: EmailAddress, stored: StoredPassword, password: bytes) -> None:
        began, scheme = self._clock(), SCRAM if stored.scheme == SCRAM else self._scheme
        pause = PAUSE_AFTER_FAILURE
        try:
            new = await self._hash(lambda: hash_password(password, self._cost, scheme=scheme))
            self._note(address, stored, StoredPassword.parse(new))  # first: others may read the file before we go on
            await self._edit(self._replace, self._path, address, stored, new)
        except Exception as fault:
            self._log.error(
                "The password of {user} is not stored anew: {fault}", user=one_line(address), fault=one_line(fault)
            )
        else:
            pause = max(PAUSE, PAUSE_SHARE * (self._clock() - began))
            self._log.info("The password of {user} is stored anew, as {scheme}", user=one_line(address), scheme=scheme)
            await self._read_again()
        finally:
            self._is_busy, self._next = False, self._clock() + pause

    async def _read_again(self) -> None:
        try:
            if self._read is not None:
                await self._read()
        except Exception:
            self._log.failure("The users are not read again yet")
