"""FETCH's answers that were given before: asked of the store's index first, for many messages at once.

What is remembered is the whole answer to a list of attributes, as one client or another asks for them: the attributes
are the name, in the order in which they stand. Blocking code, for the lane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from zlib import crc32

from mailbox_d.errors import MailError
from mailbox_d.imap.fetch.contents import Contents, Failed, Told
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.store.ports import Index
from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.cursor import Cursor, GrammarLimits
from mailbox_d.wire.imap.fetch import BodySection, FetchAttribute, FetchItem, SectionText, parse_fetch_attributes

_FORM = 1
"""Of what is written; another number makes everything be looked up anew."""

OCTETS_MAX = 16 * 1024
"""An answer longer than this is no header, and not remembered."""

_ASKED_AT_ONCE = 100
"""Messages of which the index is asked before it is seen how much they are."""

_NAME_MAX = 1000

_REMEMBERED_ITEMS = (FetchItem.ENVELOPE, FetchItem.BODY, FetchItem.BODYSTRUCTURE)
_REMEMBERED_TEXTS = (SectionText.HEADER, SectionText.HEADER_FIELDS)
"""Not what is left of a header without some fields: almost all of it, and once more for each list of fields."""


def told(
    index: Index,
    contents: Contents,
    uids: Sequence[int],
    attributes: Sequence[FetchAttribute],
    ahead: Callable[[Sequence[int]], Mapping[int, bytes]] = lambda _: {},
) -> list[Told | Failed | None]:
    """As `Contents.told`; what the index has is not looked up, and what was looked up it has from now on.

    `ahead` gives the answers that others have found out for this meanwhile.
    """
    name = name_of(tuple(attributes), contents.limits.mime)
    if name is None:
        return contents.told(uids, attributes)
    known, news, asked = _known(partial(index.remembered, name), ahead, uids, contents.limits.octets_a_turn // 4)
    unknown = [uid for uid in asked if uid not in known]
    found = contents.told(unknown, attributes) if unknown else []
    news.update((uid, octets) for uid, each in zip(unknown, found, strict=False) if (octets := answer_of(each)))
    index.remember(name, news)
    return _in_order(asked, known, found)


def _known(
    remembered: Callable[[Sequence[int]], Mapping[int, bytes]],
    ahead: Callable[[Sequence[int]], Mapping[int, bytes]],
    uids: Sequence[int],
    most: int,
) -> tuple[Mapping[int, bytes], dict[int, bytes], Sequence[int]]:
    """What need not be looked up of the first of these messages, and those of it that the index has not: about as many
    as have `most` octets, or up to some that must be looked up. Which messages these are comes last."""
    known: dict[int, bytes] = {}
    news: dict[int, bytes] = {}
    octets = asked = 0
    while asked < len(uids) and octets < most:
        some = uids[asked : asked + _ASKED_AT_ONCE]
        found = dict(remembered(some))
        if len(found) < len(some):
            came = ahead([uid for uid in some if uid not in found])
            news.update(came)
            found.update(came)
        known.update(found)
        octets += sum(map(len, found.values()))
        asked += len(some)
        if len(found) < len(some):
            break
    return known, news, uids[:asked]


def _in_order(
    uids: Sequence[int], known: Mapping[int, bytes], found: Sequence[Told | Failed | None]
) -> list[Told | Failed | None]:
    """The answers for the first of the messages: up to one that was not looked up this time."""
    looked_up = iter(found)
    left = len(found)
    answers: list[Told | Failed | None] = []
    for uid in uids:
        octets = known.get(uid)
        if octets is not None:
            answers.append(Told(uid, (octets,)))
        elif left:
            left -= 1
            answers.append(next(looked_up))
        else:
            break
    return answers


def name_of(attributes: tuple[FetchAttribute, ...], limits: MimeLimits) -> bytes | None:
    """Under which name the answer is remembered; None where it is not."""
    fields = (field for each in attributes if isinstance(each, BodySection) for field in each.section.fields)
    return None if sum(map(len, fields)) > _NAME_MAX else _name_of(attributes, limits)


@lru_cache(maxsize=256)
def _name_of(attributes: tuple[FetchAttribute, ...], limits: MimeLimits) -> bytes | None:
    words = [_word(attribute) for attribute in attributes]
    if None in words:
        return None
    name = _prefix(limits) + b" ".join(filter(None, words))
    return name if len(name) <= _NAME_MAX else None


def attributes_of(name: bytes, limits: MimeLimits) -> tuple[FetchAttribute, ...] | None:
    """What is remembered under a name; None where it is of another form, or of other limits."""
    prefix = _prefix(limits)
    if not name.startswith(prefix):
        return None
    try:
        attributes = parse_fetch_attributes(Cursor(b"(%b)" % name.removeprefix(prefix), 0, (), GrammarLimits()))
    except MailError:
        return None
    return attributes if name_of(attributes, limits) == name else None


def answer_of(answer: Told | Failed | None) -> bytes | None:
    """The octets of an answer if that is all there is, and short enough to be kept."""
    if not isinstance(answer, Told) or answer.message is not None:
        return None
    octets = b"".join([piece for piece in answer.pieces if isinstance(piece, bytes)])
    return octets if len(octets) <= OCTETS_MAX else None


@lru_cache(maxsize=16)
def _prefix(limits: MimeLimits) -> bytes:
    return b"%d %08x " % (_FORM, crc32(repr(limits).encode()))


def _word(attribute: FetchAttribute) -> bytes | None:
    if isinstance(attribute, FetchItem) and attribute in _REMEMBERED_ITEMS:
        return attribute.value
    if isinstance(attribute, BodySection) and attribute.partial is None and _is_header(attribute):
        return responses.section_name(attribute)
    return None


def _is_header(attribute: BodySection) -> bool:
    """Whether it is the header of the message itself, or fields of that."""
    return not attribute.section.part and attribute.section.text in _REMEMBERED_TEXTS
