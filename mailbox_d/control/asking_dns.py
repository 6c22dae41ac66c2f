"""DNS for a command of its own: the reactor runs while it is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailbox_d.config.model import Configuration
from mailbox_d.net.dns_client import DnsClient, DnsLimits
from mailbox_d.net.dns_servers import dns_servers
from mailbox_d.wire.dns.records import Resolver


def ask_dns(configuration: Configuration, work: Callable[[Resolver], Awaitable[None]]) -> None:
    """Do work with the configured resolver; once in a process, since it runs the reactor. Raises what the work does."""
    from twisted.internet import reactor

    queue, limits = configuration.queue, configuration.limits
    servers = dns_servers(queue.resolver, queue.resolver_validates)
    resolver = DnsClient(reactor, servers, DnsLimits(limits.dns_timeout, limits.dns_records, limits.dns_cache))
    outcome = _run(reactor, lambda: work(resolver))
    if outcome is not None:
        outcome.raiseException()


def _run(reactor: Any, work: Callable[[], Awaitable[None]]) -> Failure | None:
    failures: list[Failure] = []

    async def do() -> None:
        await work()

    def begin() -> None:
        doing = Deferred.fromCoroutine(do())
        doing.addErrback(failures.append)
        doing.addBoth(lambda _: reactor.callLater(0, reactor.stop))

    reactor.callWhenRunning(begin)
    reactor.run()
    return failures[0] if failures else None
