"""An issuer's keys, kept: fetched when they are wanted first, when they are old, and for a key that is not known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailbox_d.auth.realm import RunInLane
from mailbox_d.auth.tokens.claims import TokenRefused
from mailbox_d.auth.tokens.signatures import Header, Key, candidates, read_key_set
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.printable import one_line

PAUSE = 5.0
"""Seconds from one look at the issuer's keys to the next: anybody can make up names of keys. After a look that failed,
nobody waits for the next one."""

KEPT_MOST = 86400.0
"""Seconds for which keys count whose issuer cannot be asked any more."""


class KeptKeys:
    """`fetch` gives a JWK set, or raises `AuthenticationUnavailable`; `clock` is monotonic; `refresh` in seconds.

    There is one look at a time, and all who want one wait for it. Who is cancelled leaves it to the others.
    """

    _log = Logger()

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        run: RunInLane,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        *,
        refresh: float,
    ) -> None:
        self._fetch = fetch
        self._run = run
        self._clock = clock
        self._sleep = sleep
        self._refresh = refresh
        self._keys: tuple[Key, ...] = ()
        self._fetched = -KEPT_MOST
        self._asked = -KEPT_MOST
        self._failed: str | None = None
        self._looks = 0
        """How often the issuer was asked, or is being asked."""
        self._waiting: list[Deferred[None]] | None = None
        """Who waits for the look that is under way, None where there is none."""

    async def find(self, header: Header) -> tuple[Key, ...]:
        """The keys that a token may be signed with, never none. Raises `TokenRefused`, and `AuthenticationUnavailable`
        where it takes the issuer to know."""
        if not candidates(self._keys, header):
            await self._look_for(header)
        elif self._age >= self._refresh:
            await self._look_anew()
        found = candidates(self._keys, header)
        if found and self._age < KEPT_MOST:
            return found
        if self._failed is not None:
            raise AuthenticationUnavailable("Authentication is not possible now", cause=self._failed)
        raise TokenRefused("the token is signed with a key that is not known")

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched

    @property
    def _rest(self) -> float:
        """Seconds until the issuer may be asked again."""
        return self._asked + PAUSE - self._clock()

    async def _look_for(self, header: Header) -> None:
        """Until the key is there, or the issuer was asked after the token came: an older answer may lack the key of a
        token that is good."""
        looks = self._looks
        while not candidates(self._keys, header) and self._looks == looks:
            if self._failed is not None and self._rest > 0:
                return
            await self._look()

    async def _look_anew(self) -> None:
        """Keys that are only old are fetched behind the login's back: an issuer that is slow holds nobody up. Where
        nobody has logged in for long, they may be much older, and are not taken."""
        if self._failed is None and self._age >= min(2 * self._refresh, KEPT_MOST):
            await self._look()
        else:
            self._begin()

    def _look(self) -> Deferred[None]:
        """Fires when the look that is under way has ended, or the one that begins now."""
        waiting: Deferred[None] = Deferred()
        self._begin(waiting)
        return waiting

    def _begin(self, *waiting: Deferred[None]) -> None:
        """Have a look, unless one is under way, for those who wait."""
        if self._waiting is not None:
            self._waiting.extend(waiting)
            return
        self._waiting = list(waiting)
        Deferred.fromCoroutine(self._ask())

    async def _ask(self) -> None:
        """Look as soon as the issuer may be asked again. Raises nothing: a fault is one of the issuer's."""
        try:
            if self._rest > 0:
                await self._sleep(self._rest)
            self._looks += 1
            self._keys = await self._run(read_key_set, await self._fetch())
            self._fetched, self._failed = self._clock(), None
        except AuthenticationUnavailable as error:
            self._fail(error.cause)
        except Exception as error:
            self._fail(repr(error))
        finally:
            self._asked = self._clock()
            self._tell()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting or [], None
        for one in waiting:
            one.callback(None)

    def _fail(self, cause: str) -> None:
        self._failed = f"the issuer's keys cannot be had: {one_line(cause)}"
        self._log.error("{problem}", problem=self._failed)
