"""From a request about the queue to work on it: in turns, a page of the schedule at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

from mailbox_d.address import EmailAddress, canonical_domain
from mailbox_d.control import queue_telling as telling
from mailbox_d.control.driver import InReactor
from mailbox_d.control.queue_choice import Choice, chosen
from mailbox_d.control.queue_removal import removals, remove_silently
from mailbox_d.errors import AddressError, MailError
from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.queue.message import Attempt, Notify, Parcel, Recipient
from mailbox_d.queue.outcomes import MessageState
from mailbox_d.queue.stats import QueueStats, damaged_files
from mailbox_d.record.events import Event, Operated
from mailbox_d.relay.tls.remembered import RememberedLevel, RememberedTls, in_order
from mailbox_d.store.upkeep.steps import reason
from mailbox_d.wire.control.answers import Answer
from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.queue_requests import QueueRequest, QueueVerb

QueueWork: TypeAlias = Generator[Answer | InReactor, Any, None]

Found: TypeAlias = MessageState | Answer
"""A message that is meant, or what is to be told of one that is not there; and how far the search has come."""

BEING_SENT = "it is being sent just now"
NOT_GIVEN_BACK = "it is being sent just now, or the disk takes no report"


class Sending(Protocol):
    """What sends from the queue."""

    @property
    def runs(self) -> int: ...

    @property
    def sessions(self) -> int: ...

    def scheduled(self) -> None:
        """There is something to be sent; to be called from any thread."""

    async def decide(self, identifier: str, decision: Callable[[Parcel], list[Attempt]]) -> None:
        """Note outcomes that were decided here, and tell whom they concern."""


class Unreachable(Protocol):
    """Domains whose servers were not there a moment ago."""

    def forget(self) -> None:
        """Try all again."""


@dataclass(frozen=True, slots=True)
class QueueRoom:
    """What work on the queue needs. `note` tells an event to the record, from any thread; `remembered` is None where
    nothing is remembered of TLS; `clock`: seconds since 1970."""

    queue: MailQueue
    sending: Sending
    unreachable: Unreachable
    remembered: RememberedTls | None
    note: Callable[[Event], None]
    clock: Callable[[], float]

    def work(self, request: QueueRequest) -> QueueWork:
        """The work of a request. Raises `BadRequest`."""
        choice, verb = Choice(request), request.verb
        if verb in (QueueVerb.TLS, QueueVerb.FORGET_TLS):
            return self._tls(_domain(request), forgets=verb is QueueVerb.FORGET_TLS)
        if verb is QueueVerb.STATS:
            return self._stats()
        if verb is QueueVerb.SHOW:
            return self._show(request.ids[0], with_content=request.content)
        if verb is QueueVerb.LIST:
            return self._list(choice, request.limit)
        if verb is QueueVerb.REMOVE:
            return self._remove(choice, tells=request.bounce, many=request.yes)
        return self._change(choice, verb)

    # What changes nothing

    def _list(self, choice: Choice, limit: int) -> QueueWork:
        found = (self._line(each) if isinstance(each, MessageState) else each for each in self._each(choice))
        yield from up_to(limit, found)

    def _line(self, state: MessageState) -> Answer:
        return telling.message_line(state, is_being_sent=state.message.identifier in self.queue.being_sent())

    def _show(self, identifier: str, *, with_content: bool) -> QueueWork:
        try:
            state = self.queue.show(identifier)
            if state is None:
                yield telling.missing(identifier)
                return
            yield telling.envelope(state, is_being_sent=identifier in self.queue.being_sent())
            yield from (telling.recipient(state, one) for one in state.message.envelope.recipients)
            content = self.queue.content(identifier) if with_content else None
            if content is not None:
                with content:
                    yield from telling.header_lines(content)
        except MailError as error:
            yield telling.trouble(identifier, reason(error))

    def _stats(self) -> QueueWork:
        stats = QueueStats()
        for stats in self.queue.counting(self.clock()):
            yield telling.progress(sum(stats.ages), 0)
        runs, sessions = yield InReactor(self._under_way)
        yield telling.figures(stats, damaged_files(self.queue.folders), runs, sessions)
        yield from telling.domain_figures(stats)

    async def _under_way(self) -> tuple[int, int]:
        return self.sending.runs, self.sending.sessions

    # What changes something

    def _change(self, choice: Choice, verb: QueueVerb) -> QueueWork:
        """Retry, hold or release."""
        if verb is QueueVerb.RETRY:
            yield InReactor(self._forget_unreachable)
        for found in self._each(choice):
            yield self._changed(found, verb) if isinstance(found, MessageState) else found
            if verb is not QueueVerb.HOLD:
                self.sending.scheduled()

    async def _forget_unreachable(self) -> None:
        self.unreachable.forget()

    def _changed(self, state: MessageState, verb: QueueVerb) -> Answer:
        identifier, now = state.message.identifier, self.clock()
        try:
            if verb is QueueVerb.RETRY:
                is_there, did = self.queue.retry(identifier, now), "retried"
            elif verb is QueueVerb.HOLD:
                is_there, did = self.queue.hold(identifier), "held"
            else:
                is_there, did = self.queue.unhold(identifier), "released"
        except MailError as error:
            return telling.trouble(identifier, reason(error))
        if not is_there:
            return telling.missing(identifier)
        self.note(Operated(identifier, now, did))
        return telling.changed(identifier, _said(did, state))

    def _remove(self, choice: Choice, *, tells: bool, many: bool) -> QueueWork:
        if not many and len(choice.identifiers) != 1:
            yield from self._refuse_many(choice)
        is_enough = False
        for found in self._each(choice):
            if not isinstance(found, MessageState):
                yield found
            elif not is_enough:
                is_enough = not many  # another one has come since they were counted
                yield from self._removed(found, choice.meant(found), tells=tells)

    def _refuse_many(self, choice: Choice) -> QueueWork:
        """Raises `BadRequest` where more than one message would be removed."""
        count = 0
        for found in self._each(choice):
            if isinstance(found, MessageState):
                count += 1
            elif found["answer"] == "progress":
                yield telling.progress(0, 0)
        if count > 1:
            raise BadRequest(f"{count} messages would be removed: say --yes")

    def _removed(self, state: MessageState, recipients: Sequence[Recipient], *, tells: bool) -> QueueWork:
        identifier, meant = state.message.identifier, frozenset(recipient.address for recipient in recipients)
        is_told = tells and state.message.envelope.sender is not None and any(map(_hears_of_failure, recipients))
        try:
            if tells and meant:
                yield InReactor(partial(self._give_back, identifier, meant))
            else:
                remove_silently(self.queue, state, meant, self.clock())
            left = self._waiting(identifier) & meant
        except MailError as error:
            yield telling.trouble(identifier, reason(error))
            return
        if left < meant or not meant:
            self.note(Operated(identifier, self.clock(), "removed", "with a report to its sender" if is_told else ""))
        if left:
            yield telling.trouble(identifier, NOT_GIVEN_BACK if tells else BEING_SENT)
        else:
            nobody = "removed, and nobody wants a report" if tells else "removed"
            yield telling.changed(identifier, "given back to its sender" if is_told else nobody)

    def _give_back(self, identifier: str, meant: frozenset[EmailAddress]) -> Awaitable[None]:
        return self.sending.decide(identifier, lambda parcel: removals(parcel.waiting, meant, self.clock()))

    def _waiting(self, identifier: str) -> frozenset[EmailAddress]:
        state = self.queue.show(identifier)
        return frozenset() if state is None else frozenset(one.address for one in state.waiting())

    def _each(self, choice: Choice) -> Iterator[Found]:
        """All messages that are meant, and how far we are at the end of each page."""
        done, total = 0, self.queue.messages if choice.is_all else len(choice.identifiers)
        for identifiers, count in chosen(self.queue, choice, self.clock()):
            for identifier in identifiers:
                try:
                    state = self.queue.show(identifier)
                except MailError as error:
                    yield telling.trouble(identifier, reason(error))
                    continue
                if state is None:
                    yield from [telling.missing(identifier)] if choice.identifiers else []
                elif choice.takes(state, self.clock()):
                    yield state
            done += count
            yield telling.progress(done, max(total, done) if total else 0)

    # How other servers were secured

    def _tls(self, domain: str, *, forgets: bool) -> QueueWork:
        remembered = self.remembered
        if remembered is None:
            yield telling.note("queue.remember_tls is off: nothing is remembered")
        elif forgets:
            was_known = yield InReactor(partial(_forget_level, remembered, domain))
            yield telling.changed(domain, "forgotten") if was_known else telling.missing(domain)
        else:
            kept = yield InReactor(partial(_kept_levels, remembered))
            found = [level for level in in_order(kept, self.clock()) if not domain or level.domain == domain]
            yield from map(telling.level, found)
            if domain and not found:
                yield telling.missing(domain)


async def _forget_level(remembered: RememberedTls, domain: str) -> bool:
    return remembered.forget(domain)


async def _kept_levels(remembered: RememberedTls) -> tuple[RememberedLevel, ...]:
    return remembered.kept()


def up_to(limit: int, answers: Iterator[Answer]) -> Iterator[Answer]:
    """The first so many messages of a list, 0 for all, with what is told between them; and that there are more."""
    count = 0
    for answer in answers:
        is_message = answer["answer"] == "message"
        if limit and is_message and count == limit:
            yield telling.note(f"there are more than {limit}; --limit 0 lists all")
            return
        count += is_message
        yield answer


def _domain(request: QueueRequest) -> str:
    try:
        return canonical_domain(request.domain) if request.domain else ""
    except AddressError as error:
        raise BadRequest(error.public, cause=error.cause) from error


def _hears_of_failure(recipient: Recipient) -> bool:
    """Whether the sender wants to be told."""
    return bool(recipient.notify & Notify.FAILURE)


def _said(did: str, state: MessageState) -> str:
    if did == "retried":
        return "due now" if not state.is_held else "due when it is released"
    return did
