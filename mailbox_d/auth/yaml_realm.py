"""A realm whose users are in a YAML file, which may change at any time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.auth.lasting_secret import LastingSecret
from mailbox_d.auth.passwords import StoredPassword
from mailbox_d.auth.realm import LoggedIn, RunInLane, Service, User
from mailbox_d.auth.schemes import SCRAM
from mailbox_d.auth.scram_keys import is_invisible, made_up_keys, make_keys, read_keys
from mailbox_d.auth.stand_ins import StandIns
from mailbox_d.auth.success_cache import SuccessCache
from mailbox_d.auth.upgrades import HashUpgrades
from mailbox_d.auth.users_file import DEFAULT_LIMITS, Login, Users, UsersFileLimits, read_users
from mailbox_d.config.faults import ConfigurationError, Unreadable
from mailbox_d.config.file_identity import FileIdentity, identify
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.wire.sasl.scram import ScramKeys

DEFAULT_INTERVAL = 1.0
ROUNDS = 3
"""How often a login is looked at while its user changes."""

PAUSE_SHARE = 20
"""How many times as long as it took to find no memory for the file, or the like, it is not tried again."""

LOGGED = 1000
"""Characters of faults in one line of the log."""


class YamlRealm:
    """Users of one file. Whenever it is asked, at most once per `interval` seconds, it looks whether the file changed.

    `users` is the file's content as `read_users` gave it, `known` its identity from just before that (None: look at
    once). A changed file is read through `read`; a broken one is logged with its faults while the users known before
    serve on. Passwords are verified through `verify`; `upgrades` is told of users' own ones that were right. What
    strangers are told follows from their names and `secret`. `clock` is monotonic, in seconds.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        path: Path,
        users: Users,
        known: FileIdentity | None = None,
        *,
        read: RunInLane,
        verify: RunInLane,
        clock: Callable[[], float],
        interval: float = DEFAULT_INTERVAL,
        limits: UsersFileLimits = DEFAULT_LIMITS,
        cache: SuccessCache | None = None,
        upgrades: HashUpgrades | None = None,
        secret: LastingSecret | None = None,
    ) -> None:
        self.name = name
        self.edition = 0
        self.path = path
        self._known = known
        self._read = read
        self._verify = verify
        self._clock = clock
        self._interval = interval
        self._limits = limits
        self._cache = cache if cache is not None else SuccessCache(clock)
        self._upgrades = upgrades
        self._looked = clock() if known is not None else float("-inf")
        self._refreshing = DeferredLock()
        self._trouble = ""
        self._secret = secret or LastingSecret()
        self._serve(users, StandIns(users.logins.values()))

    @property
    def users(self) -> Users:
        """What is served now."""
        return self._users

    async def look(self) -> None:
        await self._look()

    async def find_user(self, address: EmailAddress) -> User | None:
        await self._look()
        return self.known_user(address)

    def known_user(self, address: EmailAddress) -> User | None:
        login = self._users.logins.get(address)
        return login.user if login is not None else None

    async def user_of_alias(self, address: EmailAddress) -> User | None:
        await self._look()
        return self._users.owners.get(address)

    async def alias(self, address: EmailAddress) -> tuple[EmailAddress, ...] | None:
        await self._look()
        return self._users.aliases.get(address)

    async def authenticate(self, address: EmailAddress, password: bytes, service: Service) -> LoggedIn:
        await self._look()
        for _ in range(ROUNDS):
            login = self._users.logins.get(address)
            may = login is not None and login.user.may_use(service)
            if login is not None and may and (cached := self._remembered(login, password, service)) is not None:
                return cached
            fitting = await self._fitting(login or self._stand_in(address), password, service)
            await self._look()
            if self._users.logins.get(address) == login:
                break  # otherwise the user has changed while a hash waited for others: all is looked at again
        else:
            raise AuthenticationUnavailable("Authentication is not possible now", cause="the user changes all the time")
        if login is None or not may or not fitting:
            raise AuthenticationFailed("Authentication failed", cause=_why_not(login, may=may))
        name, stored = fitting[0]
        self._cache.remember(login.user, stored, password)
        if self._upgrades is not None and not name:
            self._upgrades.consider(login.user.address, stored, password)
        return LoggedIn(login.user, name, stored)

    async def _fitting(self, login: Login, password: bytes, service: Service) -> list[tuple[str, StoredPassword]]:
        """Those of a user's passwords that this is. Each is looked at, also behind the one that fits, so that the time
        taken does not tell which it was."""
        candidates = login.passwords_for(service)
        return [(name, stored) for name, stored in candidates if await self._verify(stored.verify, password)]

    async def scram_keys(self, address: EmailAddress) -> tuple[ScramKeys, bool]:
        await self._look()
        login = self._users.logins.get(address)
        stored = (login or self._stand_in(address)).password
        made_up = made_up_keys(self._secret.value, address.folded)
        if stored.is_plain:  # whoever it is of, it takes its time
            keys = await self._verify(make_keys, stored.value, made_up.salt)
        elif stored.scheme == SCRAM:
            keys = read_keys(stored.value)
        else:
            return made_up, False
        if login is None:
            return replace(made_up, iterations=keys.iterations, salt=_as_long(made_up.salt, keys.salt)), False
        if stored.is_plain and is_invisible(stored.value):
            return made_up, False
        return keys, self._users.logins.get(address) == login  # who may have changed while the keys were made

    async def by_keys(self, address: EmailAddress, stored_key: bytes, service: Service) -> LoggedIn:
        keys, known = await self.scram_keys(address)
        login = self._users.logins.get(address)
        if login is None or not login.user.may_use(service):
            raise AuthenticationFailed("Authentication failed", cause=_why_not(login, may=False))
        if not known or not hmac.compare_digest(keys.stored_key, stored_key):
            raise AuthenticationFailed("Authentication failed", cause="the keys are no more those of the exchange")
        return LoggedIn(login.user, stored=login.password)

    async def objection(self, logged_in: LoggedIn, service: Service) -> str:
        await self._look()
        login = self._users.logins.get(logged_in.user.address)
        if login is None or not login.user.may_use(service):
            return _why_not(login, may=False)
        if logged_in.stored is None or self._is_stored(login, logged_in, logged_in.stored, service):
            return ""
        return f"the app password {logged_in.by} is no more" if logged_in.by else "the password is another one"

    def _is_stored(self, login: Login, logged_in: LoggedIn, then: StoredPassword, service: Service) -> bool:
        """Whether what was stored then is stored now, or what we have made of it ourselves since."""
        if (logged_in.by, then) in login.passwords_for(service):
            return True
        upgrades = None if logged_in.by else self._upgrades
        return upgrades is not None and upgrades.was_made_of(login.user.address, then, login.password)

    async def refresh(self) -> None:
        """Look at the file now, and read it if it is not the one known. What could not be read for a reason that may
        pass stays unknown, and is read at the next look."""
        async with self._refreshing:
            self._looked = self._clock()
            identity = await self._read(identify, self.path)
            if identity != self._known and await self._reread():
                self._known = identity

    async def _look(self) -> None:
        """Refresh if it is time to; who comes while another does it is served from what is known."""
        if self._clock() - self._looked < self._interval or self._refreshing.locked:
            return
        try:
            await self.refresh()
        except Exception as error:
            if self._is_news(repr(error)):
                self._log.failure("The realm {realm} could not look at its file", realm=self.name)

    async def _reread(self) -> bool:
        """Whether what the file says is known now, be it that it is at fault."""
        began = self._clock()
        try:
            users = await self._read(read_users, self.path, self._limits)
            stand_ins = await self._read(StandIns, users.logins.values())
        except ConfigurationError as error:
            faults = "; ".join(map(str, error.faults))[:LOGGED]
            if self._is_news(faults):
                self._log.error(
                    "The users of the realm {realm} stay as they were: {faults}", realm=self.name, faults=faults
                )
            return not isinstance(error, Unreadable)
        except Exception as error:
            if self._is_news(repr(error)):
                self._log.failure("The realm {realm} keeps the users that it has", realm=self.name)
            self._looked = self._clock() + PAUSE_SHARE * (self._clock() - began)
            return False
        self._is_news("")
        self._serve(users, stand_ins)
        self._log.info("The realm {realm} was read again: {users} users", realm=self.name, users=len(users.logins))
        return True

    def _is_news(self, trouble: str) -> bool:
        """Whether this is something else than the last time: what is tried each second is told once."""
        before, self._trouble = self._trouble, trouble
        return trouble != before

    def _serve(self, users: Users, stand_ins: StandIns) -> None:
        self._users = users
        self._stand_ins = stand_ins
        self.edition += 1

    def _remembered(self, login: Login, password: bytes, service: Service) -> LoggedIn | None:
        """A login that succeeded lately, with a password that is still there and may still be used for the service."""
        for name, stored in login.passwords_for(service):
            if self._cache.holds(login.user, stored, password):
                return LoggedIn(login.user, name, stored)
        return None

    def _stand_in(self, address: EmailAddress) -> Login:
        """Whose passwords an unknown user's is held against, whatever comes of it, so that the time taken tells
        nothing."""
        return self._stand_ins.of(self._secret.value, address.folded)


def _as_long(salt: bytes, other: bytes) -> bytes:
    """A salt that is as long as another one, and follows from the first alone."""
    return salt if len(salt) == len(other) else hashlib.shake_256(salt).digest(len(other))


def _why_not(login: Login | None, *, may: bool) -> str:
    if login is None:
        return "no such user"
    if not login.user.enabled:
        return "the user is disabled"
    return "wrong password" if may else "the user may not use this service"
