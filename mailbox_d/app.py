"""The table of contents: every service of the daemon, in the order in which they start."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from mailbox_d.config.endpoints import Endpoint, UnixEndpoint
from mailbox_d.config.model import Configuration
from mailbox_d.control.service import control_listener
from mailbox_d.net.listening import EndpointListener, UnixListener
from mailbox_d.net.signals import ReloadOnHangup, StopOnce
from mailbox_d.net.state_folder import StateFolder, StateFolderTaken
from mailbox_d.net.watchdog import Watchdog
from mailbox_d.services import imap_factory, imap_service, pop3_factory, pop3_service, smtp_factory, smtp_service
from mailbox_d.site import Site, build_site
from mailbox_d.smtp.service import Kind

log = Logger()

SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy thread must let the reactor have its turn; Python's own 5 ms are felt by every session."""

GARBAGE_THRESHOLDS = (20_000, 20, 20)
"""Objects made before a search for garbage. A mailbox of 50,000 messages comes as hundreds of thousands of objects that
are no garbage: with Python's own 700, a quarter of the time of opening it goes into looking at them again and again."""


class Daemon(MultiService):
    """All services. They start in order; when the daemon stops, each waits for those that started after it."""

    def __init__(self, services: Iterable[Any]) -> None:
        MultiService.__init__(self)
        for service in services:
            service.setServiceParent(self)

    def privilegedStartService(self) -> None:
        with _refusal_in_one_line():
            MultiService.privilegedStartService(self)

    def startService(self) -> None:
        with _refusal_in_one_line():
            MultiService.startService(self)
        gc.freeze()  # what there is by now is the program itself, in which no search for garbage need look again

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop_in_turn())

    async def _stop_in_turn(self) -> None:
        for service in reversed(list(self)):
            try:
                await maybeDeferred(service.stopService)
            except Exception:
                log.failure("a service did not stop as it should")


@contextmanager
def _refusal_in_one_line() -> Iterator[None]:
    """What keeps the daemon from starting is told in a line, and ends the process: a traceback would help nobody."""
    try:
        yield
    except (CannotListenError, StateFolderTaken, OSError) as error:
        raise SystemExit(f"mailboxd cannot start: {error}") from error


def build(configuration: Configuration) -> Daemon:
    """The daemon for a configuration, not yet started. Raises `ConfigurationError`, `NotServed`."""
    from twisted.internet import reactor  # importing it installs it, which nobody should do who only reads this file

    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    site = build_site(configuration, reactor)
    refreshes = [realm.refresh for realm in site.logins.realms.values()]
    return Daemon(
        [
            StateFolder(configuration.storage.state),
            site.lanes,
            site.watch,
            site.workers,
            site.feeding,
            *([site.recording] if site.recording is not None else []),
            *site.outgoing.services,
            *site.logins.kept,
            StopOnce(reactor),
            Watchdog(reactor),
            site.certificate_reload,
            ReloadOnHangup(reactor, [*refreshes, site.certificate_reload.refresh]),
            site.sessions,
            site.logins.rechecks,
            *listeners(site),
            control_listener(site),
        ]
    )


def listeners(site: Site) -> Iterator[Service]:
    """A listener for each endpoint of each kind of service."""
    kinds = site.configuration.listeners
    smtp, submission, lmtp = (smtp_service(site, kind) for kind in (Kind.SMTP, Kind.SUBMISSION, Kind.LMTP))
    yield from listen(site, kinds.smtp, smtp_factory(site, smtp))
    yield from listen(site, kinds.submission, smtp_factory(site, submission))
    yield from listen(site, kinds.submissions, smtp_factory(site, submission, implicit_tls=True))
    yield from listen(site, kinds.lmtp, smtp_factory(site, lmtp))
    imap = imap_service(site)
    yield from listen(site, kinds.imap, imap_factory(site, imap))
    yield from listen(site, kinds.imaps, imap_factory(site, imap, implicit_tls=True))
    pop3 = pop3_service(site)
    yield from listen(site, kinds.pop3, pop3_factory(site, pop3))
    yield from listen(site, kinds.pop3s, pop3_factory(site, pop3, implicit_tls=True))


def listen(site: Site, endpoints: Iterable[Endpoint], factory: Any) -> Iterator[Service]:
    """Where one factory's connections come from."""
    for endpoint in endpoints:
        if isinstance(endpoint, UnixEndpoint):
            yield UnixListener(site.reactor, endpoint.path, endpoint.mode, factory)
        else:
            yield EndpointListener(site.reactor, str(endpoint), factory)
