"""Whatever stands in a file of the queue, with the right checksum: it is refused as the docstrings say, or all that the
queue does with it can be done."""

from __future__ import annotations

import json
import math
from typing import Any
from zlib import crc32

from hypothesis import example, given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.queue.delivery_status import date
from mailbox_d.queue.job import jobs_of
from mailbox_d.queue.message import Attempt, Envelope, Fate, Queued, Recipient, Return, Source
from mailbox_d.queue.message_file import Content, DamagedMessage, envelope_line, first_line, read_message, read_top
from mailbox_d.queue.outcomes import Change, MessageState, Progress
from mailbox_d.queue.schedule import Schedule, Selection
from tests.unit.queue.mail import BACKOFF, NOON

DAVE = EmailAddress.parse("dave@other.example")
MESSAGE = Queued(
    "A1", Envelope(DAVE, (Recipient(DAVE, original="rfc822;dave"),), "Q1", Return.FULL), Source.USER, NOON, 0, "dave"
)
ENVELOPE = json.loads(envelope_line(MESSAGE))
OUTCOME = json.loads(
    Change({DAVE: Progress(Attempt(NOON, DAVE, Fate.DEFERRED, "4.0.0", reply="no"), 1, 2.5, NOON + 100)}).lines()[9:]
)

_texts = st.text(st.characters(codec=None), max_size=8)
_numbers = st.floats() | st.integers() | st.sampled_from([10**400, -1, 2**63, 1e300, math.inf, math.nan])
_known = st.sampled_from(
    ["dave@other.example", "A1", "user", "relayed", "7BIT", "Dave@OTHER.example", "x@", "x@..", ""]
)
anything = st.recursive(
    st.none() | st.booleans() | _numbers | _texts | _known,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts | st.sampled_from(list(OUTCOME)), inner),
    max_leaves=6,
)


def changed(known: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """What is usual, with something else in some places."""
    return st.dictionaries(st.sampled_from([*known, "warned", "held"]), anything).map(lambda other: {**known, **other})


def can_be_used(state: MessageState) -> None:
    """All that the queue does with a message's state."""
    schedule, jobs = Schedule(":memory:"), jobs_of(state)
    schedule.open(is_clean=True)
    schedule.add(jobs)
    found, _ = schedule.page(Selection(), 0, 100)
    assert sorted(job.key for job in found) == sorted(job.key for job in jobs)
    schedule.figures(0, [NOON])
    for job in jobs:
        known = schedule.claim(job.domain, job.due, BACKOFF.latest(job.due), 10)
        assert job.is_held or [one.key for one in known] == [job.key]
    assert schedule.next_due() is None and not schedule.is_wanting
    for recipient in state.message.envelope.recipients:
        progress = state.of(recipient.address)
        assert math.isfinite(BACKOFF.wait(progress.tries + 1, BACKOFF.age(state.message, progress, NOON)))
        assert progress.last is None or date(progress.last.at)
    again = MessageState(state.message)
    assert again.read([state.lines(Change())]) == 0
    assert date(state.message.arrived) and envelope_line(state.message)


@given(st.lists(changed(OUTCOME) | anything, max_size=3))
@example([{**OUTCOME, "tries": math.inf}])
@example([{**OUTCOME, "due": math.nan}])
@example([{**OUTCOME, "at": 1e300}])
@example([{**OUTCOME, "reply": "\ud800"}])
def test_lines_of_outcomes(said: list[Any]) -> None:
    texts = [json.dumps(one).replace("Infinity", "1e999").encode() for one in said]
    state = MessageState(MESSAGE)
    state.read([b"".join(b"%08x %b\n" % (crc32(octets), octets) for octets in texts)])
    can_be_used(state)


def read_envelope(envelope: bytes) -> Queued | None:
    """A message in a file, None where it is damaged."""
    content = Content(0, 0, 0)
    octets = first_line(envelope, content) + envelope
    top = read_top(octets, len(octets))
    assert top is not None
    try:
        return read_message(top, "A1")
    except DamagedMessage:
        return None


@given(changed(ENVELOPE) | anything)
@example({**ENVELOPE, "arrived": 1e300})
@example({**ENVELOPE, "arrived": math.nan})
@example({**ENVELOPE, "sender": "\ud800@other.example"})
@example({**ENVELOPE, "identifier": "../../x"})
@example({**ENVELOPE, "recipients": []})
def test_envelopes(said: Any) -> None:
    message = read_envelope(json.dumps(said).encode())
    if message is not None:
        assert message.identifier == "A1" and message.envelope.recipients
        can_be_used(MessageState(message))


@given(st.lists(changed(ENVELOPE["recipients"][0]) | anything, max_size=3))
def test_recipients_of_envelopes(said: list[Any]) -> None:
    message = read_envelope(json.dumps({**ENVELOPE, "recipients": said}).encode())
    if message is not None:
        can_be_used(MessageState(message))


def test_the_usual_is_read() -> None:
    assert read_envelope(envelope_line(MESSAGE)) == MESSAGE
    state = MessageState(MESSAGE)
    line = json.dumps(OUTCOME).encode()
    assert state.read([b"%08x %b\n" % (crc32(line), line)]) == 0 and state.of(DAVE).tries == 1
    can_be_used(state)


def test_a_line_with_a_number_without_bound_is_one_damaged_line() -> None:
    line = b'{"to": "dave@other.example", "tries": 1e999, "age": 0.0, "due": 0.0}'
    state = MessageState(MESSAGE)
    assert state.read([b"%08x %b\n" % (crc32(line), line)]) == 1 and not state.progress
