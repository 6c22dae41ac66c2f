"""From a request about failed logins to work: who must wait, and whom that is forgiven."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from mailbox_d.auth.guessing.counts import Counts, Standing
from mailbox_d.auth.guessing.guesses import Guesses, Kind
from mailbox_d.control.driver import InReactor
from mailbox_d.control.telling import FINDINGS, FINE, Telling
from mailbox_d.wire.control.answers import Answer
from mailbox_d.wire.control.login_requests import LoginRequest, LoginVerb
from mailbox_d.wire.control.objects import BadRequest

LoginWork: TypeAlias = Generator[Answer | InReactor, Any, None]

_PAGE: Final = 500
"""Names that are looked at in one turn of the reactor, whose they are."""


@dataclass(frozen=True, slots=True)
class LoginRoom:
    """What work on failed logins needs; all of it happens in the reactor's thread, a page at a time."""

    guesses: Guesses

    def work(self, request: LoginRequest) -> LoginWork:
        """The work of a request. Raises `BadRequest`."""
        if request.whom is not None and not self.guesses.names_of(request.whom):
            raise BadRequest("Name a user such as bob@example.org, or an IP address")
        if request.verb is LoginVerb.FORGIVE:
            return self._forgive(str(request.whom))
        return self._all(tells_all=request.all) if request.whom is None else self._of(request.whom)

    def _all(self, *, tells_all: bool) -> LoginWork:
        for kind, counts in self.guesses.counts().items():
            names = yield InReactor(partial(_names, counts))
            for start in range(0, len(names), _PAGE):
                page = yield InReactor(partial(_standings, counts, names[start : start + _PAGE]))
                yield from (_told(kind, each) for each in page if tells_all or each.must_wait)

    def _of(self, whom: str) -> LoginWork:
        counts = self.guesses.counts()
        for kind, name in (yield InReactor(partial(_names_of, self.guesses, whom))):
            page = yield InReactor(partial(_standings, counts[kind], [name]))
            yield from (_told(kind, each) for each in page)

    def _forgive(self, whom: str) -> LoginWork:
        forgiven = yield InReactor(partial(_forgive, self.guesses, whom))
        for kind, name in forgiven:
            yield {"answer": "forgiven", "kind": kind.value, "name": name}
        if not forgiven:
            yield {"answer": "missing", "name": whom}


class LoginTally(Telling):
    """Counts what was told; by this a request's end is known."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(("wait", "forgiven", "missing"), 0)

    def answer(self, told: Answer) -> Answer:
        self._counts[str(told["answer"])] += 1
        return told

    def end(self) -> Answer:
        counts = self._counts
        status = FINDINGS if counts["missing"] else FINE
        return {"answer": "end", "status": status, "told": counts["wait"], "forgiven": counts["forgiven"]}


async def _names(counts: Counts) -> Sequence[str]:
    return counts.names()


async def _names_of(guesses: Guesses, whom: str) -> Sequence[tuple[Kind, str]]:
    return guesses.names_of(whom)


async def _standings(counts: Counts, names: Sequence[str]) -> list[Standing]:
    """Those that are still there."""
    return [standing for name in names if (standing := counts.standing(name)) is not None]


async def _forgive(guesses: Guesses, whom: str) -> list[tuple[Kind, str]]:
    counts = guesses.counts()
    return [(kind, name) for kind, name in guesses.names_of(whom) if counts[kind].forget(name)]


def _told(kind: Kind, standing: Standing) -> Answer:
    """`failures` are what is left of them; `seconds` until the next try is looked at, 0 for now."""
    failures, seconds = round(standing.failures, 1), round(standing.wait, 1)
    about = {"kind": kind.value, "name": standing.name}
    return {"answer": "wait", **about, "failures": failures, "seconds": seconds, "must_wait": standing.must_wait}
