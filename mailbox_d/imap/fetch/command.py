"""FETCH and UID FETCH (RFC 3501 section 6.4.5): figures in bulk, bodies in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from twisted.logger import Logger

from mailbox_d.errors import MailError, MessageGone
from mailbox_d.imap.condstore import changed_since, require_qresync, tell_vanished, want_mod_sequences
from mailbox_d.imap.failures import MessageFailures
from mailbox_d.imap.fetch.ahead import FetchAhead, Wanted
from mailbox_d.imap.fetch.contents import Contents, Failed, Pieces, Told, octets_in
from mailbox_d.imap.fetch.remembered import name_of
from mailbox_d.imap.fetch.sections import Decoded, Extent
from mailbox_d.imap.session import IMAPSession
from mailbox_d.imap.vanished import Vanished
from mailbox_d.imap.view import View
from mailbox_d.printable import one_line
from mailbox_d.store.ports import FlagAction, WireReader
from mailbox_d.wire.imap import commands, responses
from mailbox_d.wire.imap.dates import format_date_time
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.fetch import BinarySection, BodySection, FetchAttribute, FetchItem
from mailbox_d.wire.imap.responses import Completion, Condition

log = Logger()

_SEEN = frozenset({r"\Seen"})
_TEMPLATES = {
    FetchItem.UID: b"UID %d",
    FetchItem.FLAGS: b"FLAGS %b",
    FetchItem.INTERNALDATE: b"INTERNALDATE %b",
    FetchItem.RFC822_SIZE: b"RFC822.SIZE %d",
    FetchItem.MODSEQ: b"MODSEQ (%d)",
}
"""The figures, and how they are told: filled in for many messages at once."""


class TornLiteral(Exception):
    """A message could not be read to its end after its size had been announced: the connection is beyond repair."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What each message is asked for: figures, which are cheap and told in bulk, then what is in the message."""

    items: tuple[FetchItem, ...]
    contents: tuple[FetchAttribute, ...]

    @property
    def marks_seen(self) -> bool:
        """Whether the messages are read by this (RFC 3501 section 6.4.5)."""
        return any(isinstance(each, BodySection | BinarySection) and not each.peek for each in self.contents)


def plan_of(attributes: Sequence[FetchAttribute], *, by_uid: bool, with_mod_sequences: bool = False) -> Plan:
    """Sort what is asked for; UID FETCH always tells the UID (RFC 3501 section 6.4.8)."""
    items = [FetchItem.UID] if by_uid else []
    contents: list[FetchAttribute] = []
    for attribute in attributes:
        if not isinstance(attribute, FetchItem) or attribute not in _TEMPLATES:
            contents.append(attribute)
        elif attribute not in items:
            items.append(attribute)
    if with_mod_sequences and FetchItem.MODSEQ not in items:
        items.append(FetchItem.MODSEQ)
    return Plan(tuple(items), tuple(contents))


async def fetch(session: IMAPSession, command: commands.Fetch) -> Completion:
    """Answer batch by batch, at the speed at which the client reads.

    A message that cannot be told, or not to its end, keeps nobody from the others: the tagged response says so.
    """
    since = command.changed_since
    plan = plan_of(command.attributes, by_uid=command.by_uid, with_mod_sequences=since is not None)
    view = session.selected
    _check_vanished(session, command)
    indexes = [index for found in view.chosen(command.numbers, by_uid=command.by_uid) for index in found]
    if FetchItem.MODSEQ in plan.items:
        want_mod_sequences(session)
    if since is not None:
        indexes = changed_since(view, indexes, since)
        if command.vanished:
            await tell_vanished(session, Vanished(since, view.uids, command.numbers))
    answer = _Answer(session, plan)
    if plan.contents and plan.marks_seen and not view.read_only:
        await _look_again(view)
    try:
        await _tell_all(session, answer, indexes)
    finally:
        answer.end()
    if answer.failures.count:
        return answer.failures.completion()
    if answer.missed and not command.by_uid:
        raise MessageGone("Some of these messages are gone")
    return Completion(Condition.OK, "FETCH completed")


async def _tell_all(session: IMAPSession, answer: _Answer, indexes: Sequence[int]) -> None:
    done = 0
    while done < len(indexes):
        done += await answer.tell(indexes[done : done + session.service.limits.messages_a_write])
        answer.look_ahead(indexes, done)
        await session.connection.drained()


def _check_vanished(session: IMAPSession, command: commands.Fetch) -> None:
    """Where VANISHED may stand (RFC 7162 section 3.2.6). Raises `BadSyntax`."""
    if command.vanished:
        require_qresync(session)
        if not command.by_uid or command.changed_since is None:
            raise BadSyntax("VANISHED belongs to UID FETCH with CHANGEDSINCE")


class _Answer:
    """FETCH's answer to one command so far."""

    def __init__(self, session: IMAPSession, plan: Plan) -> None:
        self.missed = False
        """Whether a message was gone."""
        self.failures = MessageFailures(session)
        self._session = session
        self._plan = plan
        self._view = session.selected
        self._contents = self._view.mailbox.contents(session.service.limits.contents)
        self._turns = self._contents.turns
        self._ahead: FetchAhead | None = None

    async def tell(self, batch: Sequence[int]) -> int:
        """Answer for the first messages at these indexes: for how many."""
        if self._plan.contents:
            return await self._tell_contents(batch)
        rows = await self._figures(batch, frozenset())
        lines = [responses.fetch(index + 1, row) for index, row in zip(batch, rows, strict=True) if row is not None]
        self._session.connection.send(b"".join(lines))
        self.missed |= None in rows
        return len(batch)

    def look_ahead(self, indexes: Sequence[int], done: int) -> None:
        """So many of the messages are told. Where one had to be looked at and many are left, children go ahead."""
        crew, limits = self._session.service.crew, self._session.service.limits
        if self._ahead is None and crew is not None and self._contents.turns > self._turns:
            self._turns = self._contents.turns
            name = name_of(self._plan.contents, limits.contents.mime)
            if name is not None and limits.ahead.held and len(indexes) - done >= limits.ahead.worth:
                uids = partial(_uids_of, self._view, indexes)
                wanted = Wanted(name, len(indexes), uids, limits.contents.mime)
                self._ahead = self._view.mailbox.ahead(crew, limits.ahead, wanted)
        if self._ahead is not None:
            self._ahead.go_on(done)

    def end(self) -> None:
        """Nothing is told any more."""
        if self._ahead is not None:
            self._ahead.stop()

    async def _tell_contents(self, batch: Sequence[int]) -> int:
        """For so many messages as are looked up in one turn; those of them that can be told are marked as seen."""
        view = self._view
        contents = self._contents
        told = await view.mailbox.told(contents, _uids(view, batch), self._plan.contents, self._ahead)
        try:
            answers = {index: each for index, each in zip(batch, told, strict=False) if isinstance(each, Told)}
            readable = list(answers)
            seen_now = await self._mark_seen(readable) if readable else frozenset()
            rows = await self._figures(readable, seen_now)
            lines: list[bytes] = []
            for index, row in zip(readable, rows, strict=True):
                if row is not None and answers[index].message is None:
                    lines.append(_whole(index + 1, row, answers[index]))
                elif row is not None:
                    self._session.connection.send(b"".join(lines))
                    lines.clear()
                    await self._tell_message(contents, index + 1, row, answers[index])
            self._session.connection.send(b"".join(lines))
        finally:
            await view.mailbox.give_back(contents, told)
        self.missed |= None in rows or None in told
        for each in told:
            if isinstance(each, Failed):
                self.failures.add(each.uid, each.error)
        return len(told)

    async def _tell_message(self, contents: Contents, number: int, figures: bytes, told: Told) -> None:
        """One message's response, some of which is still to be read; it ends early where the rest cannot be told."""
        connection = self._session.connection
        start, told_some = b"* %d FETCH (%b" % (number, figures), bool(figures)
        while True:
            if told.pieces:
                connection.send(start + b" " if told_some else start)
                start, told_some = b"", True
                await self._send_pieces(told.reader, told.pieces)
            if not told.waiting:
                break
            await connection.drained()
            try:
                told = await self._view.mailbox.more(contents, told)
            except Exception as error:
                self.failures.add(told.uid, error)
                break
        if told_some:
            connection.send(start + b")\r\n")

    async def _send_pieces(self, reader: WireReader | None, pieces: Pieces) -> None:
        for piece in pieces:
            if isinstance(piece, bytes):
                self._session.connection.send(piece)
            else:
                assert reader is not None
                await _stream(self._session, reader, piece)

    async def _mark_seen(self, batch: Sequence[int]) -> frozenset[int]:
        """Set `\\Seen` where it is not set, and tell for which messages. Reading goes on where that cannot be kept."""
        view = self._view
        if view.read_only or not self._plan.marks_seen:
            return frozenset()
        known = map(view.messages.__getitem__, batch)
        unseen = [message.uid for message in known if not message.flags >= _SEEN]
        if not unseen:
            return frozenset()
        try:
            now = (await view.mailbox.change_flags(unseen, FlagAction.ADD, _SEEN, learn=view.learn)).now
        except MailError as error:
            log.warn(
                "messages of {mailbox!r} not marked as seen: {error}", mailbox=view.mailbox.name, error=one_line(error)
            )
            return frozenset()
        return frozenset(now)

    async def _figures(self, batch: Sequence[int], seen_now: frozenset[int]) -> list[bytes | None]:
        """The figures of each message, in the order asked for; None where one of them cannot be had."""
        items = self._plan.items
        columns = [await self._column(item, batch) for item in items]
        rows: list[bytes | None] = (
            _rows(b" ".join(map(_TEMPLATES.__getitem__, items)), columns) if items else [b""] * len(batch)
        )
        unasked = self._told_unasked() if seen_now else ()
        if unasked:
            rows = [await self._with(unasked, row, index, seen_now) for index, row in zip(batch, rows, strict=True)]
        return rows

    def _told_unasked(self) -> list[FetchItem]:
        """What is told of a message beside what was asked for, because it was marked as seen."""
        items = [FetchItem.FLAGS]
        if self._view.tells_mod_sequences:
            items += (FetchItem.UID, FetchItem.MODSEQ)
        return [item for item in items if item not in self._plan.items]

    async def _with(
        self, items: Sequence[FetchItem], row: bytes | None, index: int, seen_now: frozenset[int]
    ) -> bytes | None:
        """A row with further items, if reading the message has changed its flags."""
        if row is None or self._view.uids[index] not in seen_now:
            return row
        columns = [await self._column(item, [index]) for item in items]
        (more,) = _rows(b" ".join(map(_TEMPLATES.__getitem__, items)), columns)
        return b"%b %b" % (row, more) if row and more else more

    async def _column(self, item: FetchItem, batch: Sequence[int]) -> Sequence[int | bytes | None]:
        view = self._view
        match item:
            case FetchItem.UID:
                return _uids(view, batch)
            case FetchItem.FLAGS:
                return view.all_shown_flags(batch)
            case FetchItem.MODSEQ:
                return view.shown_mod_sequences(batch)
            case FetchItem.RFC822_SIZE:
                return [view.messages[index].size for index in batch]
            case FetchItem.INTERNALDATE:
                return await self._internal_dates(batch)
            case _:
                raise AssertionError(item)

    async def _internal_dates(self, batch: Sequence[int]) -> Sequence[bytes | None]:
        uids = _uids(self._view, batch)
        dates = await self._view.mailbox.internal_dates(uids)
        told: list[bytes | None] = []
        for date in map(dates.get, uids):
            if isinstance(date, Failed):
                self.failures.add(date.uid, date.error)
                date = None
            told.append(None if date is None else format_date_time(date))
        return told


def _whole(number: int, figures: bytes, told: Told) -> bytes:
    """The response of a message of which all is at hand: its pieces are octets."""
    octets = b"".join(cast("tuple[bytes, ...]", told.pieces))
    return responses.fetch(number, b"%b %b" % (figures, octets) if figures else octets)


async def _look_again(view: View) -> None:
    """Who reads a message must see it marked as seen, though another session took that mark off a moment ago."""
    try:
        await view.catch_up()
    except MailError as error:
        log.warn("{mailbox!r} not looked at: {error}", mailbox=view.mailbox.name, error=one_line(error))


def _rows(template: bytes, columns: Sequence[Sequence[int | bytes | None]]) -> list[bytes | None]:
    """The template filled in for each message; None where a value is missing."""
    rows = zip(*columns, strict=True)
    if any(None in column for column in columns):
        return [None if None in row else template % row for row in rows]
    return [template % row for row in rows]


def _uids(view: View, batch: Sequence[int]) -> list[int]:
    uids = view.uids
    return [uids[index] for index in batch]


def _uids_of(view: View, indexes: Sequence[int], some: range) -> list[int]:
    return _uids(view, indexes[some.start : some.stop])


async def _stream(session: IMAPSession, reader: WireReader, piece: Extent | Decoded) -> None:
    """Send octets of a message no faster than the client reads. Raises `TornLiteral`."""
    mailbox = session.selected.mailbox
    left = piece.size
    octets: Iterator[bytes] | None = None
    while left > 0:
        try:
            octets = octets or octets_in(piece, reader)
            some = await mailbox.next_octets(octets)
        except Exception as error:
            raise TornLiteral(one_line(error)) from error
        if not some:
            raise TornLiteral("a message is shorter than its size")
        session.connection.send(some[:left])
        left -= len(some)
        await session.connection.drained()
