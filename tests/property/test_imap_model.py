"""Random commands of several sessions on one mailbox are answered as the model says, and the model finds faults.

`make model` plays many more; `MAILBOXD_MODEL_COMMANDS` and `MAILBOXD_MODEL_SEED` say how many and from which seed on.
A failure names its seed.
"""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from mailbox_d.imap.view import View
from mailbox_d.store.changes import ChangeFeed
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.ports import Change, Flagged
from mailbox_d.wire.imap import responses
from tests.property.sequence_model import Disagreement, Model

COMMANDS = int(os.environ.get("MAILBOXD_MODEL_COMMANDS", "10000"))
A_PLAY = 250
"""Steps of one seed: few, so that a failure is soon played again."""


def seeds() -> Iterator[int]:
    """From the seed that was asked for, or from one that is new each time."""
    start = os.environ.get("MAILBOXD_MODEL_SEED")
    first = int(start) if start else random.SystemRandom().randrange(10**9)
    yield from itertools.count(first)


def test_sessions_agree_with_the_model() -> None:
    sent, played = 0, Counter[str]()
    for seed in seeds():
        model = Model(seed)
        model.run(A_PLAY)
        sent, played = sent + model.sent, played + model.played
        if sent >= COMMANDS:
            break
    print(f"{sent} commands sent, of these plays: {dict(played.most_common())}")
    assert {"fetch", "store_flags", "search", "expunge", "append", "outside"} <= played.keys()


def fault_is_found(complaint: str) -> None:
    """Some play out of a few ends with this complaint, and so that it can be played again."""
    for seed in range(20):
        model = Model(seed)
        try:
            model.run(A_PLAY)
        except Disagreement as found:
            assert complaint in str(found)
            assert f"seed {seed}," in str(found)
            return
    pytest.fail("the fault was not found")


def test_model_finds_expunge_told_during_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    announcements = View.announcements

    def always(view: View, *, expunges: bool) -> Iterator[bytes]:
        return announcements(view, expunges=True)

    monkeypatch.setattr(View, "announcements", always)
    fault_is_found("EXPUNGE was told while sequence numbers must stand")


def test_model_finds_wrong_number_in_expunge(monkeypatch: pytest.MonkeyPatch) -> None:
    expunge = responses.expunge
    monkeypatch.setattr(responses, "expunge", lambda number: expunge(max(1, number - 1)))
    fault_is_found("which is still there")


def test_model_finds_wrong_message_behind_expunge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers told in ascending order, none of them shifted by those before it."""
    announcements = View.announcements

    def ascending(view: View, *, expunges: bool) -> Iterator[bytes]:
        told = list(announcements(view, expunges=expunges))
        gone = [line for line in told if b"EXPUNGE" in line]
        return iter(gone[::-1] + told[len(gone) :])

    monkeypatch.setattr(View, "announcements", ascending)
    fault_is_found("EXPUNGE of")


def test_model_finds_lost_flag_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change by another session is never told."""
    take = ChangeFeed.take

    def forgetful(feed: ChangeFeed) -> Sequence[Change]:
        return tuple(change for change in take(feed) if not isinstance(change, Flagged))

    monkeypatch.setattr(ChangeFeed, "take", forgetful)
    fault_is_found("flags")


def test_model_finds_flags_that_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A STORE of two messages reaches only the first."""
    change_flags = MemoryMailbox.change_flags

    def first_alone(mailbox: MemoryMailbox, uids, action, flags, **options):  # type: ignore[no-untyped-def]
        changed = change_flags(mailbox, list(uids)[:1], action, flags, **options)
        unchanged = {message.uid: message for message in mailbox.messages() if message.uid in uids}
        return unchanged | changed

    monkeypatch.setattr(MemoryMailbox, "change_flags", first_alone)
    fault_is_found("flags")
