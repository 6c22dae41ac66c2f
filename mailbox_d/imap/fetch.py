"""FETCH and UID FETCH (RFC 3501 section 6.4.5): figures in bulk, bodies in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.logger import Logger

from mailbox_d.errors import MailError, MessageGone
from mailbox_d.imap.errors import NotServed
from mailbox_d.imap.mailbox import MessageReader
from mailbox_d.imap.session import IMAPSession
from mailbox_d.imap.view import View
from mailbox_d.store.ports import FlagAction
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.dates import format_date_time
from mailbox_d.wire.imap.fetch import BodySection, FetchAttribute, FetchItem, SectionText
from mailbox_d.wire.imap.responses import Completion, Condition

log = Logger()

_SEEN = frozenset({r"\Seen"})
_SECTIONS_SERVED = (SectionText.ALL, SectionText.HEADER, SectionText.TEXT)
_ITEMS_SERVED = (FetchItem.UID, FetchItem.FLAGS, FetchItem.INTERNALDATE, FetchItem.RFC822_SIZE)


class TornLiteral(Exception):
    """A message could not be read to its end after its size had been announced: the connection is beyond repair."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What each message is asked for: figures, which are cheap and told in bulk, then octets of the message."""

    items: tuple[FetchItem, ...]
    sections: tuple[BodySection, ...]

    @property
    def marks_seen(self) -> bool:
        return not all(section.peek for section in self.sections)


def plan_of(attributes: Sequence[FetchAttribute], *, by_uid: bool) -> Plan:
    """Sort what is asked for; UID FETCH always tells the UID (RFC 3501 section 6.4.8). Raises `NotServed`."""
    items = [FetchItem.UID] if by_uid else []
    sections = []
    for attribute in attributes:
        if isinstance(attribute, BodySection):
            if attribute.section.part or attribute.section.text not in _SECTIONS_SERVED:
                raise NotServed("Parts and header fields are not served yet, only BODY[], BODY[HEADER] and BODY[TEXT]")
            sections.append(attribute)
        elif attribute not in _ITEMS_SERVED:
            raise NotServed(f"{attribute.value.decode('ascii')} is not served yet")
        elif attribute not in items:
            items.append(attribute)
    return Plan(tuple(items), tuple(sections))


async def fetch(session: IMAPSession, command: commands.Fetch) -> Completion:
    """Answer batch by batch, at the speed at which the client reads."""
    plan = plan_of(command.attributes, by_uid=command.by_uid)
    view = session.selected
    size = session.service.limits.messages_a_write
    missed = False
    for found in list(view.chosen(command.numbers, by_uid=command.by_uid)):
        for start in range(found.start, found.stop, size):
            batch = range(start, min(start + size, found.stop))
            missed |= await _answer(session, plan, batch)
            await session.connection.drained()
    if missed and not command.by_uid:
        raise MessageGone("Some of these messages are gone")
    return Completion(Condition.OK, "FETCH completed")


async def _answer(session: IMAPSession, plan: Plan, batch: range) -> bool:
    """Answer for the messages at the indexes `batch`; whether one of them was gone."""
    view = session.selected
    seen_now = await _mark_seen(view, batch) if plan.marks_seen and not view.read_only else frozenset()
    rows = await _figures(view, plan, batch, seen_now)
    if not plan.sections:
        lines = [responses.fetch(index + 1, row) for index, row in zip(batch, rows, strict=True) if row is not None]
        session.connection.send(b"".join(lines))
        return None in rows
    missed = False
    for index, row in zip(batch, rows, strict=True):
        missed |= row is None or not await _message(session, plan, index, row)
    return missed


async def _mark_seen(view: View, batch: range) -> frozenset[int]:
    """Set `\\Seen` where it is not set, and tell for which messages. Reading goes on where that cannot be kept."""
    unseen = [uid for uid in view.uids[batch.start : batch.stop] if not view.flags[uid] >= _SEEN]
    if not unseen:
        return frozenset()
    try:
        now = await view.mailbox.change_flags(unseen, FlagAction.ADD, _SEEN)
    except MailError as error:
        log.warn("messages of {mailbox!r} not marked as seen: {error}", mailbox=view.mailbox.name, error=str(error))
        return frozenset()
    view.learn(now)
    return frozenset(now)


async def _figures(view: View, plan: Plan, batch: range, seen_now: frozenset[int]) -> list[bytes | None]:
    """The figures of each message, in the order asked for; None for a message that turns out to be gone."""
    uids = view.uids[batch.start : batch.stop]
    columns = [await _column(view, item, uids) for item in plan.items]
    if seen_now and FetchItem.FLAGS not in plan.items:
        columns.append([b"FLAGS " + view.shown_flags(uid) if uid in seen_now else b"" for uid in uids])
    rows = zip(*columns, strict=True) if columns else [()] * len(uids)
    return [None if None in row else b" ".join(filter(None, row)) for row in rows]


async def _column(view: View, item: FetchItem, uids: Sequence[int]) -> Sequence[bytes | None]:
    match item:
        case FetchItem.UID:
            return [b"UID %d" % uid for uid in uids]
        case FetchItem.FLAGS:
            return [b"FLAGS " + view.shown_flags(uid) for uid in uids]
        case FetchItem.RFC822_SIZE:
            return [b"RFC822.SIZE %d" % view.sizes[uid] for uid in uids]
        case FetchItem.INTERNALDATE:
            dates = await view.mailbox.internal_dates(uids)
            return [b"INTERNALDATE " + format_date_time(dates[uid]) if uid in dates else None for uid in uids]
        case _:
            raise NotServed(f"{item.value.decode('ascii')} is not served yet")


async def _message(session: IMAPSession, plan: Plan, index: int, figures: bytes) -> bool:
    """One message's response, octets and all; false if the message is gone."""
    view = session.selected
    try:
        reader = await view.mailbox.reader(view.uids[index])
    except MessageGone:
        return False
    try:
        extents = [await _extent(reader, section) for section in plan.sections]
        session.connection.send(b"* %d FETCH (%b" % (index + 1, figures))
        separator = b" " if figures else b""
        for section, (offset, size) in zip(plan.sections, extents, strict=True):
            start = responses.section_name(section) + b" " + responses.literal_start(size)
            session.connection.send(separator + start)
            await _stream(session, reader, offset, size)
            separator = b" "
        session.connection.send(b")\r\n")
    finally:
        await reader.close()
    return True


async def _extent(reader: MessageReader, attribute: BodySection) -> tuple[int, int]:
    """Where in the message the octets lie: the first, and how many."""
    start, end = 0, reader.size
    match attribute.section.text:
        case SectionText.HEADER:
            end = await reader.header_size()
        case SectionText.TEXT:
            start = await reader.header_size()
    if attribute.partial is not None:
        first, count = attribute.partial
        start = min(start + first, end)
        end = min(start + count, end)
    return start, end - start


async def _stream(session: IMAPSession, reader: MessageReader, offset: int, size: int) -> None:
    """Send octets of a message, a piece at a time, no faster than the client reads. Raises `TornLiteral`."""
    end = offset + size
    while offset < end:
        try:
            piece = await reader.read(offset, min(end - offset, session.service.limits.octets_a_read))
        except Exception as error:
            raise TornLiteral(str(error)) from error
        if not piece:
            raise TornLiteral("a message is shorter than its size")
        session.connection.send(piece)
        offset += len(piece)
        await session.connection.drained()
