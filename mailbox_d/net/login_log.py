"""The lines of the log about logins: one for each, except where the same is at fault again and again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.logger import Logger

from mailbox_d.auth.realm import Service
from mailbox_d.errors import MailError
from mailbox_d.printable import one_line

_SAID_AGAIN = 60.0
"""Seconds until a line of the same cause."""

_MOST_CAUSES = 100
"""Causes that are told apart; all others are one."""

_OTHER = ("", "")

_log = Logger(namespace="mailbox_d.net.login")
"""Programs find the lines by this name."""


@dataclass(frozen=True, slots=True)
class LoginAsked:
    """Who wanted what: `user` is the client's text. `is_exempt`: whether the peer is one that no limit applies to."""

    service: Service
    peer: str
    user: str
    mechanism: str
    is_exempt: bool = False


@dataclass(slots=True)
class _Said:
    at: float
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class LoginLog:
    """Writes them. Other programs read these lines: what is new comes behind what there is. `clock`: in seconds, never
    backwards."""

    clock: Callable[[], float] = time.monotonic
    _causes: OrderedDict[tuple[str, str], _Said] = field(default_factory=OrderedDict)

    def admitted(self, asked: LoginAsked, by: str) -> None:
        """A user came in, by an app password of that name, if any."""
        _write("login", asked, f" by={one_line(by)}" if by else "")

    def failed(self, asked: LoginAsked) -> None:
        """A wrong password, or nobody's. Who bans peers must spare those that are exempt: they speak for many."""
        _write("login failed", asked, " exempt=yes" if asked.is_exempt else "")

    def refused(self, asked: LoginAsked, why: str) -> None:
        """Nothing was said about the password, or it was right."""
        _write("login refused", asked, f" why={why}")

    def unavailable(self, asked: LoginAsked, error: MailError) -> None:
        """It could not be looked at. What is at fault is said once in a minute for each domain of users."""
        left_out = self._left_out((asked.user.rpartition("@")[2].casefold(), error.public))
        if left_out is None:
            return
        others = f" others={left_out}" if left_out else ""
        _write("login cannot be checked", asked, f"{others} cause={one_line(error)}", is_error=True)

    def _left_out(self, cause: tuple[str, str]) -> int | None:
        """Lines that were left out since the last one; None where this one is too."""
        now = self.clock()
        if cause not in self._causes and len(self._causes) >= _MOST_CAUSES and not self._forget_one(now):
            cause = _OTHER
        said = self._causes.get(cause)
        if said is not None and now - said.at < _SAID_AGAIN:
            said.left_out += 1
            return None
        self._causes[cause] = _Said(now)
        self._causes.move_to_end(cause)
        return said.left_out if said is not None else 0

    def _forget_one(self, now: float) -> bool:
        """Whether there was one that was said long enough ago."""
        oldest = next(iter(self._causes.values()))
        if now - oldest.at < _SAID_AGAIN:
            return False
        self._causes.popitem(last=False)
        return True


def _write(what: str, asked: LoginAsked, more: str, *, is_error: bool = False) -> None:
    write = _log.error if is_error else _log.info
    write(
        "{what}: service={service} peer={peer} user={user} mechanism={mechanism}{more}",
        what=what,
        service=asked.service.value,
        peer=asked.peer,
        user=one_line(asked.user),
        mechanism=asked.mechanism,
        more=more,
    )
