"""What is told of the queue, as answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mailbox_d.control.telling import FINDINGS, FINE, TROUBLE, Telling
from mailbox_d.queue.content import MessageContent
from mailbox_d.queue.message import Attempt, Recipient
from mailbox_d.queue.outcomes import MessageState, Progress
from mailbox_d.queue.stats import AGES, QueueStats
from mailbox_d.relay.tls.remembered import RememberedLevel
from mailbox_d.wire.control.answers import Answer

DOMAINS_TOLD: Final = 20
"""Domains that figures name, those with the most messages."""

_RECIPIENTS_TOLD = 3
_HEADER_MAX = 256 * 1024
"""Octets of a header that are shown."""

_ATTEMPT = ("status", "host", "address", "reply", "reason", "tls", "security", "policy")


class QueueTally(Telling):
    """Counts what was told; by this a request's end is known."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(("message", "changed", "missing", "trouble"), 0)

    def answer(self, told: Answer) -> Answer:
        kind = str(told["answer"])
        if kind in self._counts:
            self._counts[kind] += 1
        return told

    def end(self) -> Answer:
        counts = self._counts
        status = TROUBLE if counts["trouble"] else FINDINGS if counts["missing"] else FINE
        told = {"messages": counts["message"], "changed": counts["changed"]}
        return {"answer": "end", "status": status, **told, "missing": counts["missing"], "troubles": counts["trouble"]}


def message_line(state: MessageState, *, is_being_sent: bool) -> Answer:
    """A message in a list. `due`: when the first of those who wait is tried, 0 for at once."""
    message, waiting = state.message, state.waiting()
    known = [state.of(recipient.address) for recipient in waiting]
    return {
        "answer": "message",
        "id": message.identifier,
        "arrived": message.arrived,
        "octets": message.octets,
        "sender": _path(state),
        "recipients": [str(recipient.address) for recipient in waiting[:_RECIPIENTS_TOLD]],
        "waiting": len(waiting),
        "attempts": max((progress.tries for progress in known), default=0),
        "due": min((progress.due for progress in known), default=0.0),
        "state": _state(state, is_being_sent=is_being_sent),
        "words": _last_words(known),
    }


def envelope(state: MessageState, *, is_being_sent: bool) -> Answer:
    """All that is known of a message but its recipients."""
    message, said = state.message, state.message.envelope
    return {
        "answer": "envelope",
        "id": message.identifier,
        "arrived": message.arrived,
        "octets": message.octets,
        "source": message.source.value,
        "user": message.user,
        "sender": _path(state),
        "envelope_id": said.envelope_id,
        "returns": said.returns.value if said.returns is not None else "",
        "body": said.body.value,
        "smtputf8": said.smtputf8,
        "require_tls": said.require_tls,
        "recipients": len(said.recipients),
        "waiting": len(state.waiting()),
        "state": _state(state, is_being_sent=is_being_sent),
    }


def recipient(state: MessageState, one: Recipient) -> Answer:
    """How far a recipient is: `waiting`, or the outcome; and the last attempt."""
    progress = state.of(one.address)
    last = progress.last
    fate = last.fate.value if last is not None and last.is_final else "waiting"
    about = {"to": str(one.address), "state": fate, "notify": _notify(one), "original": one.original}
    told = {"attempts": progress.tries, "due": 0.0 if progress.is_final else progress.due, "warned": progress.is_warned}
    return {"answer": "recipient", **about, **told, **(_attempt(last) if last is not None else {})}


def header_lines(content: MessageContent) -> Iterator[Answer]:
    """The lines of a message's header, no more than so much. Raises `StorageFault`."""
    header = content.header(_HEADER_MAX)
    for line in header.rstrip(b"\r\n").split(b"\r\n"):
        yield {"answer": "content", "text": line.decode("utf-8", "surrogateescape")}
    if len(header) == _HEADER_MAX:
        yield note("the rest of the header is left out")


def figures(stats: QueueStats, damaged: int, runs: int | None = None, sessions: int | None = None) -> Answer:
    """The whole queue in figures; without a daemon nothing is sent."""
    return {
        "answer": "queue",
        "messages": stats.messages,
        "octets": stats.octets,
        "waiting": stats.waiting.total(),
        "held": stats.held.total(),
        "sending": stats.being_sent,
        "ages": stats.ages,
        "ages_at": list(AGES),
        "oldest": min(stats.oldest.values(), default=0.0),
        "domains": len(stats.oldest),
        "damaged": damaged,
        "is_complete": stats.is_complete,
        "runs": runs,
        "connections": sessions,
    }


def domain_figures(stats: QueueStats) -> Iterator[Answer]:
    """The domains with the most messages."""
    for domain, _ in (stats.waiting + stats.held).most_common(DOMAINS_TOLD):
        counts = {"waiting": stats.waiting[domain], "held": stats.held[domain]}
        yield {"answer": "domain", "domain": domain, **counts, "oldest": stats.oldest[domain]}


def level(known: RememberedLevel) -> Answer:
    """How well a domain's servers were secured."""
    return {"answer": "tls", "domain": known.domain, "level": known.level.word, "seen": known.seen}


def changed(identifier: str, did: str) -> Answer:
    return {"answer": "changed", "id": identifier, "did": did}


def missing(identifier: str) -> Answer:
    """What was named is not there."""
    return {"answer": "missing", "id": identifier}


def trouble(identifier: str, why: str) -> Answer:
    return {"answer": "trouble", "id": identifier, "why": why}


def note(text: str) -> Answer:
    return {"answer": "note", "text": text}


def progress(done: int, total: int) -> Answer:
    """`total` is 0 where nobody knows it."""
    return {"answer": "progress", "what": "queue", "done": done, "total": total, "unit": "messages"}


def _path(state: MessageState) -> str:
    sender = state.message.envelope.sender
    return "" if sender is None else str(sender)


def _state(state: MessageState, *, is_being_sent: bool) -> str:
    return "sending" if is_being_sent else "held" if state.is_held else "waiting"


def _notify(one: Recipient) -> list[str]:
    return [str(each.name).lower() for each in one.notify]


def _last_words(known: list[Progress]) -> str:
    attempts = [each.last for each in known if each.last is not None]
    if not attempts:
        return ""
    last = max(attempts, key=lambda attempt: attempt.at)
    return last.reply or last.reason


def _attempt(last: Attempt) -> dict[str, object]:
    words = {word: text for word in _ATTEMPT if (text := getattr(last, word))}
    return {"at": last.at, "fate": last.fate.value, **words}
