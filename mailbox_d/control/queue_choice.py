"""Which messages of the queue an operator means."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from mailbox_d.address import EmailAddress, canonical_domain
from mailbox_d.errors import AddressError
from mailbox_d.queue.job import Job
from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.queue.message import Recipient
from mailbox_d.queue.outcomes import MessageState
from mailbox_d.queue.schedule import RowState, Selection
from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.queue_requests import QueueRequest, Which

NULL_PATH = "<>"
"""The sender of reports."""

_PAGE = 100
"""Jobs that are looked at before others have their turn."""

_SEEN_MAX = 10_000
"""Messages that are known to have been chosen; one with several domains has its jobs near to each other."""


class Choice:
    """What a request demands of a message. Raises `BadRequest` where an address or domain of it is none."""

    def __init__(self, request: QueueRequest) -> None:
        self.identifiers = tuple(dict.fromkeys(request.ids))
        self.is_all = not self.identifiers and not request.has_criteria
        self._which = request.which
        try:
            self._domain = canonical_domain(request.domain) if request.domain else ""
            self._recipient = EmailAddress.parse(request.recipient) if request.recipient else None
            named = request.sender and request.sender != NULL_PATH
            self._sender = EmailAddress.parse(request.sender) if request.sender and named else None
            self._has_sender = request.sender is not None
        except AddressError as error:
            raise BadRequest(error.public, cause=error.cause) from error

    @property
    def selection(self) -> Selection:
        """What of it the schedule can tell."""
        domain = self._recipient.domain if self._recipient is not None else self._domain
        return Selection(domain=domain, state=RowState.HELD if self._which is Which.HELD else None)

    def meant(self, state: MessageState) -> tuple[Recipient, ...]:
        """Those of a message's waiting recipients who are meant."""
        return tuple(
            recipient
            for recipient in state.waiting(self._domain or None)
            if self._recipient is None or recipient.address == self._recipient
        )

    def takes(self, state: MessageState, now: float) -> bool:
        """Whether a message is meant."""
        if self._has_sender and state.message.envelope.sender != self._sender:
            return False
        if self._which is Which.HELD and not state.is_held:
            return False
        recipients = self.meant(state)
        if self._which is Which.DUE:
            return not state.is_held and any(state.of(one.address).due <= now for one in recipients)
        return bool(recipients) or not (self._domain or self._recipient)

    def may_take(self, job: Job, now: float) -> bool:
        """The same of a job, as far as that can be told without a look at the message."""
        if self._which is Which.DUE and (job.is_held or job.due > now):
            return False
        return not self._has_sender or _is_sender(job.sender, self._sender)


def chosen(queue: MailQueue, choice: Choice, now: float) -> Iterator[tuple[list[str], int]]:
    """The messages that may be meant, some at a time and each once; and how many jobs were looked at for them."""
    if choice.identifiers:
        yield list(choice.identifiers), len(choice.identifiers)
        return
    seen = _Seen()
    yield seen.new(queue.being_sent()), 0
    after: int | None = 0
    while after is not None:
        jobs, after = queue.page(choice.selection, after, _PAGE)
        yield seen.new(job.identifier for job in jobs if choice.may_take(job, now)), len(jobs)


class _Seen:
    """The last of many names, to have each once."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def new(self, names: Iterable[str]) -> list[str]:
        """Those of the names that were not there before."""
        found = [name for name in dict.fromkeys(names) if name not in self._names]
        self._names.update(dict.fromkeys(found))
        while len(self._names) > _SEEN_MAX:
            self._names.popitem(last=False)
        return found


def _is_sender(text: str, sender: EmailAddress | None) -> bool:
    if not text or sender is None:
        return not text and sender is None
    try:
        return EmailAddress.parse(text) == sender
    except AddressError:
        return False
