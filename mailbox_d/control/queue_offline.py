"""What can be said of the queue without a daemon: its files are read, and nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from mailbox_d.control import queue_telling as telling
from mailbox_d.control.queue_choice import Choice
from mailbox_d.control.queue_jobs import up_to
from mailbox_d.queue.folders import Folders, is_identifier
from mailbox_d.queue.job import jobs_of
from mailbox_d.queue.mail_queue import offline
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
    if request.verb is QueueVerb.SHOW:
        return _show(root, request.ids[0], with_content=request.content)
    if request.verb is QueueVerb.STATS:
        return _stats(root, now)
    return up_to(request.limit, _list(root, choice, now))


def _list(root: Path, choice: Choice, now: float) -> Iterator[Answer]:
    for state in offline(root):
        if (not choice.identifiers or state.message.identifier in choice.identifiers) and choice.takes(state, now):
            yield telling.message_line(state, is_being_sent=False)


def _show(root: Path, identifier: str, *, with_content: bool) -> Iterator[Answer]:
    spool = Spool(Folders(root, FileSystem()), changes=False)
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


def _stats(root: Path, now: float) -> Iterator[Answer]:
    stats = QueueStats()
    for state in offline(root):
        stats.messages += 1
        for job in jobs_of(state):
            stats.add_job(job, now)
        if stats.messages % _PROGRESS_EVERY == 0:
            yield telling.progress(stats.messages, 0)
    yield telling.figures(stats, damaged_files(Folders(root, FileSystem())))
    yield from telling.domain_figures(stats)
