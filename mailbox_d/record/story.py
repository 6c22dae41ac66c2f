"""Tells what became of a message: its events as sentences in the order of time, or as values for a program.

What strangers said stands in the sentences as it is; whoever prints them makes each fit for one line.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import singledispatch
from typing import Any

from mailbox_d.address import EmailAddress
from mailbox_d.record.events import (
    Decided,
    Enqueued,
    Event,
    GivenUp,
    Kept,
    Operated,
    Received,
    Refused,
    Reported,
    Tried,
)
from mailbox_d.record.lookup import Found
from mailbox_d.record.whereabouts import Place

_INDENT = "    "
_KINDS = {
    "smtp": "from another server (SMTP)",
    "submission": "from a user (submission)",
    "lmtp": "from a local program (LMTP)",
    "cli": "from an operator",
}
_OURS = {
    "report": "written by this server, as a report",
    "forward": "forwarded by this server",
}
_FATES = {
    "relayed": "was passed on to a server that tells of what follows itself",
    "delivered": "was delivered",
    "deferred": "was not taken for now",
    "failed": "was refused for good",
}


@dataclass(frozen=True, slots=True)
class Copy:
    """Where a copy was put, and lies now. `places` is None where that cannot be found out; `problem` says why."""

    kept: Kept
    places: Sequence[Place] | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one message."""

    found: Found
    copies: Sequence[Copy]


def as_lines(story: Story) -> Iterator[str]:
    """A heading, then a line for each event, and what else belongs to it behind it."""
    found = story.found
    message_ids = [event.message_id for event in found.events if isinstance(event, Received | Refused)]
    yield " ".join(filter(None, ("Message", found.identifier, *message_ids[:1])))
    if found.cut:
        yield f"{_INDENT}there is more of it than is told here"
    elif not found.has_begun:
        yield f"{_INDENT}how it came in is not known any more"
    copies = iter(story.copies)
    for event in found.events:
        first, *others = sentences(event)
        yield f"{_INDENT}{_when(event.at)}  {first}"
        if isinstance(event, Kept):
            others.append(_now(next(copies)))
        for other in others:
            yield f"{_INDENT * 2}{other}"


def as_value(story: Story) -> dict[str, Any]:
    """The same for JSON: the events with the fields that say something, times in seconds since 1970."""
    copies = iter(story.copies)
    return {
        "message": story.found.identifier,
        "complete": story.found.has_begun and not story.found.cut,
        "events": [
            _event_value(event) | (_copy_value(next(copies)) if isinstance(event, Kept) else {})
            for event in story.found.events
        ],
    }


@singledispatch
def sentences(event: Event) -> list[str]:
    """What an event is called, and what else is to be said of it."""
    return [event.what]


@sentences.register
def _(event: Received) -> list[str]:
    came = _OURS.get(event.kind) or f"came in {_KINDS.get(event.kind, event.kind)}"
    lines = [f"{came}, from {_path(event.sender)}, {event.octets} octets"]
    return [*lines, *_peer(event.peer, event.name, event.tls, event.user, event.protocol)]


@sentences.register
def _(event: Refused) -> list[str]:
    to = f" for {_list(event.recipients)}" if event.recipients else ""
    lines = [f"refused: mail from {_path(event.sender)}{to} ({_KINDS.get(event.kind, event.kind)}, at {event.stage})"]
    lines += [f"it was told: {event.reply}"] if event.reply else []
    lines += [f"because of: {event.cause}"] if event.cause else []
    return [*lines, *_peer(event.peer, event.name, event.tls, event.user)]


@sentences.register
def _(event: Decided) -> list[str]:
    of = f" of <{event.recipient}>" if event.recipient is not None else ""
    words = f": {event.words}" if event.words else ""
    targets = f" → {_list(event.targets)}" if event.targets else ""
    return [f"{event.step}{of}: {event.verdict}{words}{targets}"]


@sentences.register
def _(event: Kept) -> list[str]:
    whose = f" of {event.account}" if event.account is not None else ""
    return [f"kept for <{event.recipient}> in {event.mailbox or 'a mailbox'}{whose}"]


@sentences.register
def _(event: Enqueued) -> list[str]:
    return [f"in the queue for {_list(event.recipients)}"]


@sentences.register
def _(event: Tried) -> list[str]:
    lines = [f"<{event.recipient}> {_FATES.get(event.fate, event.fate)} ({event.status})"]
    if event.host:
        security = ", ".join(filter(None, (event.tls or "no TLS", event.security, event.policy)))
        where = f" [{event.address}]" if event.address else ""
        lines.append(f"by {event.host}{where} ({security})")
    lines += [f"it said: {event.reply}"] if event.reply else []
    lines += [f"because: {event.reason}"] if event.reason else []
    lines += [f"tried again after {_when(event.next_at)}"] if event.next_at else []
    return lines


@sentences.register
def _(event: GivenUp) -> list[str]:
    return [f"given up for <{event.recipient}>{f': {event.words}' if event.words else ''}"]


@sentences.register
def _(event: Reported) -> list[str]:
    if not event.report:
        return [f"no report ({event.action}) of {_list(event.recipients)}: {event.words}"]
    words = [event.words] if event.words else []
    return [f"report {event.report} ({event.action}) of {_list(event.recipients)} is sent to {_path(event.to)}", *words]


@sentences.register
def _(event: Operated) -> list[str]:
    return [f"{event.verb} by an operator{f': {event.words}' if event.words else ''}"]


def _peer(peer: str, name: str, tls: str, user: str, protocol: str = "") -> list[str]:
    """Who handed it over, how; nothing where nobody did."""
    if not peer:
        return []
    who = f"by {peer}{f', which calls itself {name}' if name else ''}"
    how = ", ".join(filter(None, (protocol, tls or "no TLS", f"logged in as {user}" if user else "")))
    return [f"{who} ({how})"]


def _now(copy: Copy) -> str:
    if copy.places is None:
        return f"where it is now cannot be said: {copy.problem}"
    if not copy.places:
        return "not in this account any more: expunged, or moved elsewhere"
    places = [f"{place.mailbox} (UID {place.uid or 'not given yet'})" for place in copy.places]
    return f"now in {' and '.join(places)}"


def _copy_value(copy: Copy) -> dict[str, Any]:
    if copy.places is None:
        return {"now": None, "problem": copy.problem}
    return {"now": [{"mailbox": place.mailbox, "uid": place.uid} for place in copy.places]}


def _event_value(event: Event) -> dict[str, Any]:
    said = {name: value for name in _names(event) if (value := getattr(event, name))}
    return {"what": event.what, "at": event.at} | {name: _plain(value) for name, value in said.items()}


def _names(event: Event) -> list[str]:
    return [f.name for f in fields(event)[2:]]


def _plain(value: Any) -> Any:
    if isinstance(value, EmailAddress):
        return str(value)
    return [str(one) for one in value] if isinstance(value, tuple) else value


def _path(address: EmailAddress | None) -> str:
    return f"<{address or ''}>"


def _list(addresses: Sequence[EmailAddress]) -> str:
    return ", ".join(f"<{address}>" for address in addresses)


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
