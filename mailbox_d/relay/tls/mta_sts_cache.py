"""MTA-STS policies by domain: kept for as long as they said, also where DNS or HTTPS fails meanwhile (RFC 8461)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailbox_d.relay.tls.mta_sts import Policy, read_identifier
from mailbox_d.relay.tls.mta_sts_fetch import FETCH_ERROR, FetchFailed
from mailbox_d.relay.tls.mta_sts_files import DOMAIN, KeptPolicy, PolicyFiles
from mailbox_d.wire.dns.records import LookupFailed, Resolver

FETCH_AGAIN = 300.0
"""Seconds until a policy that could not be fetched is tried again (RFC 8461 section 3.3)."""

REFRESH_AFTER = 86400.0
"""Seconds after which a policy is fetched again in the background; one that ends sooner after half its time."""

UNUSED = 30 * 86400.0
"""Seconds without mail to a domain, after which its policy is left to end."""

_log = Logger()


class Fetcher(Protocol):
    """Who fetches policies."""

    async def fetch(self, domain: str) -> Policy:
        """The policy that a domain has just now. Raises `FetchFailed`."""


@dataclass(frozen=True, slots=True)
class FoundPolicy:
    """The policy to go by, if there is one; why the one that is published could not be had, if so, in words and as a
    result type of RFC 8460 section 4.3."""

    policy: Policy | None = None
    problem: str = ""
    failure: str = ""


class MtaStsPolicies:
    """The policies of up to `most` domains. `run`: that of a lane with one thread; `clock`: seconds since 1970.

    `load` is called once before all else, `refresh` every few minutes."""

    def __init__(
        self,
        resolver: Resolver,
        fetcher: Fetcher,
        files: PolicyFiles,
        *,
        run: Callable[..., Awaitable[Any]],
        clock: Callable[[], float],
        most: int,
    ) -> None:
        self._resolver = resolver
        self._fetcher = fetcher
        self._files = files
        self._run = run
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[str, KeptPolicy] = OrderedDict()
        self._failed: OrderedDict[tuple[str, str], tuple[float, FetchFailed]] = OrderedDict()
        """When which id's policy could not be fetched."""
        self._under_way: dict[str, list[Deferred[FoundPolicy]]] = {}
        """Domains whose policy is being fetched, and who waits for that too."""

    async def load(self) -> None:
        """Read what is on disk; where that fails, begin without."""
        try:
            self._kept.update(await self._run(self._files.read, self._clock(), self._most))
        except OSError as fault:
            _log.error("The MTA-STS policies of earlier days cannot be read: {fault}", fault=fault)

    async def of(self, domain: str) -> FoundPolicy:
        """What holds for mail to a domain (A-labels) now. Without an id in DNS, and where its policy cannot be had,
        that is what is kept, or else none (RFC 8461 sections 3.1, 3.3 and 5.1)."""
        if not DOMAIN.fullmatch(domain):
            return FoundPolicy()
        identifier = await self._published(domain)
        kept = self._used(domain)
        if identifier is None or (kept is not None and kept.identifier == identifier):
            return FoundPolicy(kept.policy if kept else None)
        return await self._newest(domain, identifier)

    async def refresh(self) -> None:
        """Fetch again what has been kept for some time, one after the other, so that it does not end while its domain
        still has it."""
        for domain, kept in list(self._kept.items()):
            now = self._clock()
            if now >= kept.ends:
                await self._forget(domain)
            elif now >= kept.fetched + min(REFRESH_AFTER, kept.policy.max_age / 2) and now < kept.used + UNUSED:
                await self._newest(domain, await self._published(domain) or kept.identifier)

    async def _published(self, domain: str) -> str | None:
        """The id in DNS; None where there is none, or no answer."""
        try:
            return read_identifier((await self._resolver.txt(f"_mta-sts.{domain}")).records)
        except LookupFailed:
            return None

    def _valid(self, domain: str) -> KeptPolicy | None:
        kept = self._kept.get(domain)
        return kept if kept is not None and self._clock() < kept.ends else None

    def _used(self, domain: str) -> KeptPolicy | None:
        """What is kept of a domain and holds, now needed for mail."""
        kept = self._valid(domain)
        if kept is not None:
            self._kept[domain] = kept = replace(kept, used=self._clock())
            self._kept.move_to_end(domain)
        return kept

    async def _newest(self, domain: str, identifier: str) -> FoundPolicy:
        """The policy under an id, fetched by one of all who want it at the same time."""
        when, failed = self._failed.get((domain, identifier), (float("-inf"), None))
        if failed is not None and self._clock() < when + FETCH_AGAIN:
            return self._without(domain, failed)
        turn: Deferred[FoundPolicy] = Deferred()
        waiting = self._under_way.setdefault(domain, [])
        waiting.append(turn)
        if len(waiting) == 1:  # it goes on though who began it gives up
            Deferred.fromCoroutine(self._fetch(domain, identifier)).addBoth(self._tell, domain)
        return await turn

    def _tell(self, outcome: Any, domain: str) -> None:
        for turn in self._under_way.pop(domain):
            turn.callback(outcome)

    async def _fetch(self, domain: str, identifier: str) -> FoundPolicy:
        try:
            policy = await self._fetcher.fetch(domain)
        except FetchFailed as failed:
            return self._note_failure(domain, identifier, failed)
        except Exception:
            _log.failure("Fetching the MTA-STS policy of {domain} failed", domain=domain)
            return self._note_failure(domain, identifier, FetchFailed("it could not be fetched", FETCH_ERROR))
        self._failed.pop((domain, identifier), None)
        before = self._kept.get(domain)
        used = self._clock() if before is None else before.used
        await self._keep(domain, KeptPolicy(identifier, policy, self._clock(), used))
        return FoundPolicy(policy)

    def _note_failure(self, domain: str, identifier: str, failed: FetchFailed) -> FoundPolicy:
        _log.info("The MTA-STS policy of {domain} cannot be had: {problem}", domain=domain, problem=str(failed))
        self._failed[domain, identifier] = self._clock(), failed
        self._failed.move_to_end((domain, identifier))
        if len(self._failed) > self._most:
            self._failed.popitem(last=False)
        return self._without(domain, failed)

    def _without(self, domain: str, failed: FetchFailed) -> FoundPolicy:
        kept = self._valid(domain)
        return FoundPolicy(kept.policy if kept else None, str(failed), failed.failure)

    async def _keep(self, domain: str, kept: KeptPolicy) -> None:
        self._kept[domain] = kept
        try:
            await self._run(self._files.write, domain, kept)
        except OSError as fault:
            _log.error("The MTA-STS policy of {domain} cannot be kept: {fault}", domain=domain, fault=fault)
        if len(self._kept) > self._most:
            await self._forget(next(iter(self._kept)))

    async def _forget(self, domain: str) -> None:
        self._kept.pop(domain, None)
        try:
            await self._run(self._files.remove, domain)
        except OSError as fault:
            _log.error("The MTA-STS policy of {domain} cannot be removed: {fault}", domain=domain, fault=fault)
