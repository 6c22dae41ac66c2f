"""The same work without a daemon: `mailboxctl` does it in its own process, with lanes and children of its own.

Work that changes something holds the state folder meanwhile, so that no daemon begins in the middle of it. Work that
only looks needs no more than the folders' locks, as any program that reads mail.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailbox_d.config.model import Configuration
from mailbox_d.control.driver import Driver, Stopped
from mailbox_d.control.jobs import Workshop, changes
from mailbox_d.control.rework import FetchAnswers, text_name
from mailbox_d.control.service import control_children
from mailbox_d.control.telling import TROUBLE, USAGE, Tally, refusal
from mailbox_d.limits import mime_limits
from mailbox_d.net.lanes import Lanes
from mailbox_d.net.state_folder import StateFolder
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.upkeep.steps import Work
from mailbox_d.wire.control.answers import Answer
from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.requests import Request

log = Logger()

TellAnswer = Callable[[Answer], None]


def do_offline(configuration: Configuration, request: Request, tell: TellAnswer) -> None:
    """Do what is asked for, and tell every answer, `end` last; once in a process, since it runs the reactor.

    Raises `StateFolderTaken` where a daemon, or another of our kind, holds the state folder; `OSError`.
    """
    from twisted.internet import reactor

    with ExitStack() as held:
        if changes(request):
            state = StateFolder(configuration.storage.state)
            state.startService()
            held.callback(state.stopService)
        _run(reactor, configuration, request, tell)


def _run(reactor: Any, configuration: Configuration, request: Request, tell: TellAnswer) -> None:
    offline = _Offline(reactor, configuration)
    reactor.callWhenRunning(offline.begin, request, tell)
    reactor.addSystemEventTrigger("before", "shutdown", offline.end)
    reactor.run()
    offline.last_word(tell)


class _Offline:
    """One request, from the reactor's start to its end."""

    def __init__(self, reactor: Any, configuration: Configuration) -> None:
        self._reactor = reactor
        self._lanes: Any = Lanes(reactor)
        self._driver = Driver(reactor, self._lanes.control, control_children(reactor))
        self._workshop = _workshop(configuration)
        self._doing: Deferred[None] | None = None
        self._ended = False
        self._nobody_reads: BrokenPipeError | None = None

    def begin(self, request: Request, tell: TellAnswer) -> None:
        self._doing = ensureDeferred(self._do(request, tell))
        self._doing.addErrback(self._failed, tell).addBoth(lambda _: self._stop())

    def end(self) -> Deferred[None] | None:
        """Ctrl-C, or the end: what is under way comes to a place where it can end."""
        self._driver.stop()
        return self._doing

    def last_word(self, tell: TellAnswer) -> None:
        """Give the threads back; whoever asked hears an end in any case. Raises `BrokenPipeError`."""
        self._lanes.stopService()
        if self._nobody_reads is not None:
            raise self._nobody_reads
        if not self._ended:
            tell(refusal("it was interrupted", TROUBLE))

    async def _do(self, request: Request, tell: TellAnswer) -> None:
        tally = Tally()

        async def told(steps: Any) -> None:
            for step in steps:
                tell(tally.answer(step))

        try:
            await self._driver.drive(self._work(request), told)
        except BadRequest as error:
            self._tell_end(tell, refusal(error.public, USAGE))
        except Stopped:
            return
        else:
            self._tell_end(tell, tally.end())

    def _work(self, request: Request) -> Work[None]:
        return self._workshop.work(request)

    def _failed(self, failure: Failure, tell: TellAnswer) -> None:
        if isinstance(failure.value, BrokenPipeError):
            self._nobody_reads = failure.value
            return
        log.failure("the work failed", failure)
        self._tell_end(tell, refusal(f"it failed: {failure.getErrorMessage()}", TROUBLE))

    def _tell_end(self, tell: TellAnswer, answer: Answer) -> None:
        self._ended = True
        tell(answer)

    def _stop(self) -> None:
        if self._reactor.running:
            self._reactor.callLater(0, self._stop_reactor)

    def _stop_reactor(self) -> None:
        if self._reactor.running:
            self._reactor.stop()


def _workshop(configuration: Configuration) -> Workshop:
    store = MaildirStore(configuration.storage.maildirs, newline=configuration.storage.newline)
    return Workshop(
        store=store,
        disk=store.disk,
        layout=store.layout,
        rework=FetchAnswers(mime_limits(configuration.limits)),
        text_name=text_name(configuration.limits),
        sessions=lambda user: 0,
        ended=store.end,
    )
