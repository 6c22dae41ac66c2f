"""How TLS with other servers went, day by day, as RFC 8460 wants it told to those who ask.

Results are counted in memory and added to a file of their day (UTC) every few seconds, one line of JSON for each kind;
what a crash loses is lost. A day's file and what waits for it are bounded: beyond that nothing is counted.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from twisted.logger import Logger

from mailbox_d.store.files import FileSystem, find, forget, make_directories

DAYS_KEPT = 8
"""Files of days; reports are of yesterday."""

PENDING_MAX = 10_000
"""Kinds of results that wait to be written."""

STS, TLSA, NO_POLICY = "sts", "tlsa", "no-policy-found"
"""Policy types (RFC 8460 section 4.4)."""

_NAME = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}\.jsonl")

_log = Logger()


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """What a domain said of its servers' TLS: the type, its lines or TLSA records, and MTA-STS's server patterns."""

    kind: str = NO_POLICY
    strings: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionResult:
    """What came of one connection for mail to `domain`: `failure` is a result type of RFC 8460 section 4.3, empty where
    all was as the policy says; `reason` is in words of ours."""

    domain: str
    policy: AppliedPolicy
    host: str = ""
    address: str = ""
    failure: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: what stands in a report's head (RFC 8460 section 4.4)."""

    organization: str
    contact: str


@dataclass(slots=True)
class _Sums:
    """Of one policy: sessions that were right, and those that were not by what is told of them."""

    right: int = 0
    wrong: Counter[SessionResult] = field(default_factory=Counter)


class TlsResults:
    """Counts results. `run`: that of a lane with one thread; `clock`: seconds since 1970; `octets`: of a day's file.

    `save` is called every few seconds and at the end."""

    def __init__(
        self,
        files: FileSystem,
        folder: bytes,
        *,
        run: Callable[..., Awaitable[Any]],
        clock: Callable[[], float],
        octets: int,
    ) -> None:
        self._files = files
        self._folder = folder
        self._run = run
        self._clock = clock
        self._octets = octets
        self._pending: Counter[tuple[date, SessionResult]] = Counter()

    def note(self, result: SessionResult) -> None:
        """Count a session."""
        key = self._today(), result
        if self._octets and (key in self._pending or len(self._pending) < PENDING_MAX):
            self._pending[key] += 1

    async def save(self) -> None:
        """Write what was counted; where that fails it is lost."""
        pending, self._pending = self._pending, Counter()
        try:
            if pending:
                await self._run(self._write, pending)
        except OSError as fault:
            _log.error("Results of TLS with other servers cannot be kept: {fault}", fault=fault)

    async def report(self, day: date, domain: str, reporter: Reporter) -> dict[str, Any] | None:
        """A day's report for a domain, ready for `json.dumps` (RFC 8460 section 4.4); None where there is nothing to
        tell. Raises `OSError`."""
        await self.save()
        sums: dict[AppliedPolicy, _Sums] = await self._run(self._sums, day, domain)
        return _report(day, domain, reporter, sums) if sums else None

    async def domains(self, day: date) -> list[str]:
        """Which domains there is something to tell. Raises `OSError`."""
        await self.save()
        return sorted(await self._run(lambda: {result.domain for result, _ in self._read(day)}))

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()

    # -- in the lane --------------------------------------------------------------------------------------------

    def _write(self, pending: Mapping[tuple[date, SessionResult], int]) -> None:
        make_directories(self._files, self._folder)
        for day in sorted({day for day, _ in pending}):
            status = find(self._files, self._path(day))
            if status is None:
                self._remove_old(day)
            room = self._octets - (status.st_size if status else 0)
            lines = (_line(result, count) for (of, result), count in pending.items() if of == day)
            self._append(day, b"".join(_that_fit(lines, room)))

    def _append(self, day: date, lines: bytes) -> None:
        if not lines:
            return
        descriptor = self._files.open(self._path(day), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            self._files.write(descriptor, lines)
        finally:
            self._files.close(descriptor)

    def _remove_old(self, day: date) -> None:
        oldest = b"%s.jsonl" % (day - timedelta(days=DAYS_KEPT - 1)).isoformat().encode()
        for name in self._files.names(self._folder):
            if _NAME.fullmatch(name) and name < oldest:
                forget(self._files, self._folder + b"/" + name)

    def _sums(self, day: date, domain: str) -> dict[AppliedPolicy, _Sums]:
        sums: dict[AppliedPolicy, _Sums] = {}
        for result, count in self._read(day):
            if result.domain != domain:
                continue
            of_policy = sums.setdefault(result.policy, _Sums())
            if result.failure:
                of_policy.wrong[result] += count
            else:
                of_policy.right += count
        return sums

    def _read(self, day: date) -> Iterator[tuple[SessionResult, int]]:
        """A day's lines, those that are torn left out."""
        try:
            descriptor = self._files.open(self._path(day), os.O_RDONLY)
        except FileNotFoundError:
            return
        with os.fdopen(descriptor, "rb") as file:
            for line in file:
                yield from _read_line(line)

    def _path(self, day: date) -> bytes:
        return b"%s/%s.jsonl" % (self._folder, day.isoformat().encode())


def _line(result: SessionResult, count: int) -> bytes:
    """The line end comes first: what a crash has torn stays by itself."""
    return b"\n" + json.dumps(asdict(result) | {"count": count}).encode("ascii")


def _that_fit(lines: Iterable[bytes], room: int) -> Iterator[bytes]:
    for line in lines:
        room -= len(line)
        if room < 0:
            return
        yield line


def _read_line(line: bytes) -> Iterator[tuple[SessionResult, int]]:
    try:
        fields = json.loads(line)
        count = int(fields.pop("count"))
        policy = fields.pop("policy")
        applied = AppliedPolicy(policy["kind"], tuple(policy["strings"]), tuple(policy["servers"]))
        yield SessionResult(policy=applied, **fields), count
    except (ValueError, TypeError, KeyError, AttributeError):
        return


def _report(day: date, domain: str, reporter: Reporter, sums: Mapping[AppliedPolicy, _Sums]) -> dict[str, Any]:
    return {
        "organization-name": reporter.organization,
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": reporter.contact,
        "report-id": f"{day}-{domain}",
        "policies": [_policy(domain, applied, of_policy) for applied, of_policy in sums.items()],
    }


def _policy(domain: str, applied: AppliedPolicy, sums: _Sums) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": applied.kind, "policy-domain": domain}
    if applied.strings:
        policy["policy-string"] = list(applied.strings)
    if applied.servers:
        policy["mx-host"] = list(applied.servers)
    told: dict[str, Any] = {
        "policy": policy,
        "summary": {
            "total-successful-session-count": sums.right,
            "total-failure-session-count": sums.wrong.total(),
        },
    }
    if sums.wrong:
        told["failure-details"] = [_failure(result, count) for result, count in sums.wrong.items()]
    return told


def _failure(result: SessionResult, count: int) -> dict[str, Any]:
    told = {
        "result-type": result.failure,
        "receiving-mx-hostname": result.host,
        "receiving-ip": result.address,
        "failed-session-count": count,
        "failure-reason-code": result.reason,
    }
    return {name: value for name, value in told.items() if value}
