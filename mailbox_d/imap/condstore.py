"""Mod-sequences (RFC 7162): who wants to be told of them, and what a client is told that comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailbox_d.imap.session import IMAPSession
from mailbox_d.imap.vanished import Vanished
from mailbox_d.imap.view import View
from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.commands import Resync
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.sequence import SequenceSet

CONDSTORE = b"CONDSTORE"
QRESYNC = b"QRESYNC"


def want_mod_sequences(session: IMAPSession) -> None:
    """The client has used a command by which it says that it wants them (RFC 7162 section 3.1).

    Raises `BadSyntax` where there are none.
    """
    if not session.service.condstore:
        raise BadSyntax("Mailboxes have no mod-sequences here")
    if CONDSTORE in session.enabled:
        return
    session.enabled.add(CONDSTORE)
    if session.view is not None:
        session.connection.send(responses.highest_mod_sequence(session.view.highest))


def require_qresync(session: IMAPSession) -> None:
    """Raises `BadSyntax` where the client has not enabled QRESYNC (RFC 7162 section 3.2.3)."""
    if QRESYNC not in session.enabled:
        raise BadSyntax("Enable QRESYNC first")


def changed_since(view: View, indexes: Sequence[int], mod_sequence: int) -> list[int]:
    """Those of the messages at these indexes that changed after this change."""
    messages = view.messages.all()
    return [index for index in indexes if messages[index].mod_sequence > mod_sequence]


async def tell_vanished(session: IMAPSession, asked: Vanished) -> None:
    """VANISHED (EARLIER), at the speed at which the client reads."""
    gone = await session.selected.mailbox.vanished(asked)
    elements = (b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in gone)
    for line in responses.vanished(elements, earlier=True):
        session.connection.send(line)
        await session.connection.drained()


async def resync(session: IMAPSession, known: Resync, highest: int) -> None:
    """What happened in the mailbox that was just selected since the client knew it (RFC 7162 section 3.2.5.1).

    A number above `highest` is none that it can have been told of this mailbox: it is told of everything.
    """
    view = session.selected
    since = known.mod_sequence if known.mod_sequence <= highest else 0
    await tell_vanished(session, Vanished(since, view.uids, known.known, known.match))
    indexes = list(_known(view, known.known))
    changed = changed_since(view, indexes, since)
    size = session.service.limits.messages_a_write
    for start in range(0, len(changed), size):
        lines = [responses.fetch(index + 1, view.news_of(index)) for index in changed[start : start + size]]
        session.connection.send(b"".join(lines))
        await session.connection.drained()


def _known(view: View, known: SequenceSet | None) -> Iterator[int]:
    if known is None:
        yield from range(len(view.uids))
        return
    for indexes in view.chosen(known, by_uid=True):
        yield from indexes
