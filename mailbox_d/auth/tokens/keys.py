"""An issuer's keys, kept: fetched when they are wanted first, when they are old, and for a key that is not known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from mailbox_d.auth.realm import RunInLane
from mailbox_d.auth.tokens.claims import TokenRefused
from mailbox_d.auth.tokens.signatures import Header, Key, candidates, read_key_set
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.printable import one_line

PAUSE = 60.0
"""Seconds between two looks at the issuer's keys for one that is not known: anybody can make up names of keys."""

PAUSE_AFTER_FAILURE = 5.0
"""Seconds after which an issuer is asked again that could not be asked."""

KEPT_MOST = 86400.0
"""Seconds for which keys count whose issuer cannot be asked any more."""


class KeptKeys:
    """`fetch` gives a JWK set, or raises `AuthenticationUnavailable`; `clock` is monotonic; `refresh` in seconds."""

    _log = Logger()

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], run: RunInLane, clock: Callable[[], float], *, refresh: float
    ) -> None:
        self._fetch = fetch
        self._run = run
        self._clock = clock
        self._refresh = refresh
        self._keys: tuple[Key, ...] = ()
        self._fetched = -KEPT_MOST
        self._asked = -KEPT_MOST
        self._failed: str | None = None
        self._lock = DeferredLock()

    async def find(self, header: Header) -> tuple[Key, ...]:
        """The keys that a token may be signed with, never none. Raises `TokenRefused`, and `AuthenticationUnavailable`
        where it takes the issuer to know."""
        if self._wants(header):
            if self._must_wait(header):
                await self._asking(header)
            elif not self._lock.locked:
                self._asking(header).addErrback(lambda failure: self._log.failure("keys were not fetched", failure))
        found = candidates(self._keys, header)
        if found and self._age < KEPT_MOST:
            return found
        if self._failed is not None:
            raise AuthenticationUnavailable("Authentication is not possible now", cause=self._failed)
        raise TokenRefused("the token is signed with a key that is not known")

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched

    def _wants(self, header: Header) -> bool:
        """Whether the issuer is to be asked now."""
        wanted = self._age >= self._refresh or not candidates(self._keys, header)
        pause = PAUSE if self._failed is None else PAUSE_AFTER_FAILURE
        return wanted and self._clock() - self._asked >= pause

    def _must_wait(self, header: Header) -> bool:
        """Whether what is known is not enough. Keys that are only old are fetched behind the login's back: an issuer
        that is slow holds nobody up. Where nobody has logged in for long, they may be much older, and are not taken."""
        return not candidates(self._keys, header) or (self._failed is None and self._age >= 2 * self._refresh)

    def _asking(self, header: Header) -> Deferred[None]:
        return self._lock.run(lambda: Deferred.fromCoroutine(self._ask(header)))

    async def _ask(self, header: Header) -> None:
        if not self._wants(header):  # somebody else was first
            return
        try:
            self._keys = await self._run(read_key_set, await self._fetch())
            self._fetched, self._failed = self._clock(), None
        except AuthenticationUnavailable as error:
            self._fail(error.cause)
        except ValueError as error:
            self._fail(str(error))
        self._asked = self._clock()

    def _fail(self, cause: str) -> None:
        self._failed = f"the issuer's keys cannot be had: {one_line(cause)}"
        self._log.error("{problem}", problem=self._failed)
