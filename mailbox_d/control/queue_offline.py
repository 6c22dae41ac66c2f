"""What can be said of the queue without a daemon: its files are read, and nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mailbox_d.control import queue_telling as telling
from mailbox_d.control.queue_choice import Choice
from mailbox_d.control.queue_jobs import up_to
from mailbox_d.queue.folders import Folders, is_identifier
from mailbox_d.queue.job import jobs_of
from mailbox_d.queue.outcomes import MessageState
from mailbox_d.queue.spool import Spool
from mailbox_d.queue.stats import QueueStats, damaged_files
from mailbox_d.store.files import FileSystem
from mailbox_d.wire.control.answers import Answer
from mailbox_d.wire.control.queue_requests import QueueRequest, QueueVerb

VERBS = frozenset({QueueVerb.LIST, QueueVerb.SHOW, QueueVerb.STATS})
"""What needs no daemon."""

_PROGRESS_EVERY = 1000


def look_offline(root: Path, request: QueueRequest) -> Iterator[Answer]:
    """Answers to one of `VERBS` about the queue in a folder. Raises `BadRequest`, `OSError`, `MailError`."""
    choice, now = Choice(request), time.time()
    spool = Spool(Folders(root, FileSystem()), changes=False)
    if request.verb is QueueVerb.SHOW:
        return _show(spool, request.ids[0], with_content=request.content)
    if request.verb is QueueVerb.STATS:
        return _stats(spool, now)
    return up_to(request.limit, _list(spool, choice, now))


def _states(spool: Spool) -> Iterator[MessageState]:
    """All messages; none where there never was a queue."""
    with suppress(FileNotFoundError):
        yield from spool.states()


def _list(spool: Spool, choice: Choice, now: float) -> Iterator[Answer]:
    for state in _states(spool):
        if (not choice.identifiers or state.message.identifier in choice.identifiers) and choice.takes(state, now):
            yield telling.message_line(state, is_being_sent=False)
    if spool.set_aside_count:
        yield telling.note(f"left out, because they are damaged: {spool.set_aside_count}")


def _show(spool: Spool, identifier: str, *, with_content: bool) -> Iterator[Answer]:
    state = spool.state(identifier) if is_identifier(identifier) else None
    if state is None:
        yield telling.missing(identifier)
        return
    yield telling.envelope(state, is_being_sent=False)
    yield from (telling.recipient(state, one) for one in state.message.envelope.recipients)
    content = spool.content(identifier) if with_content else None
    if content is not None:
        with content:
            yield from telling.header_lines(content)


def _stats(spool: Spool, now: float) -> Iterator[Answer]:
    stats = QueueStats()
    for state in _states(spool):
        stats.messages += 1
        for job in jobs_of(state):
            stats.add_job(job, now)
        if stats.messages % _PROGRESS_EVERY == 0:
            yield telling.progress(stats.messages, 0)
    yield telling.figures(stats, damaged_files(spool.folders) + spool.set_aside_count)
    yield from telling.domain_figures(stats)
