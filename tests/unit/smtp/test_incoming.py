"""A message as it comes in: batches, memory, and nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.errors import StorageFull
from mailbox_d.net.lanes import InlineLane
from mailbox_d.smtp.incoming import BATCH, LARGE_BATCH, LARGE_MESSAGE, BatchRoom, IncomingMessage
from mailbox_d.store.ports import Block, Outcome


class Store:
    """Notes what is written."""

    def __init__(self, room_for: int = 1 << 40) -> None:
        self.writes: list[int] = []
        self.committed = self.aborted = 0
        self.room_for = room_for

    def deliver(self, blocks: Sequence[Block]) -> Any:
        return self

    def write(self, data: bytes) -> None:
        self.writes.append(len(data))
        if sum(self.writes) > self.room_for:
            raise StorageFull("No space")

    def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        self.committed += 1
        return ()

    def abort(self) -> None:
        self.aborted += 1


def incoming(store: Store, room: BatchRoom) -> IncomingMessage:
    return IncomingMessage("ABC", lambda: store.deliver(()), InlineLane(), room)


def run(work: Any) -> Any:
    outcome: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(outcome.append)
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]


def send(message: IncomingMessage, octets: int) -> None:
    for _ in range(octets // BATCH):
        run(message.take(b"x" * BATCH))


def test_a_small_message_is_one_piece_of_work() -> None:
    store = Store()
    message = incoming(store, BatchRoom(0))
    run(message.take(b"x" * 1000))
    assert store.writes == []
    run(message.commit(all_or_nothing=True))
    assert (store.writes, store.committed) == ([1000], 1)


def test_a_large_message_goes_in_larger_batches_and_gives_its_room_back() -> None:
    store, room = Store(), BatchRoom(2 * LARGE_BATCH)
    message = incoming(store, room)
    send(message, LARGE_MESSAGE + 4 * LARGE_BATCH)
    assert set(store.writes) == {BATCH, LARGE_BATCH}
    assert not room.take()
    run(message.commit(all_or_nothing=True))
    assert room.take()


def test_without_room_a_large_message_keeps_to_small_batches() -> None:
    store = Store()
    send(incoming(store, BatchRoom(LARGE_BATCH)), 2 * LARGE_MESSAGE)
    assert set(store.writes) == {BATCH}


def test_a_message_given_up_gives_its_room_back_once() -> None:
    store, room = Store(), BatchRoom(2 * LARGE_BATCH)
    message = incoming(store, room)
    send(message, 2 * LARGE_MESSAGE)
    run(message.abort())
    run(message.abort())
    assert room.take()
    assert not room.take()


def test_a_full_disk_is_told_with_the_next_piece_and_the_draft_removed() -> None:
    store = Store(room_for=BATCH)
    message = incoming(store, BatchRoom(0))
    with pytest.raises(StorageFull):
        send(message, 4 * BATCH)
    run(message.abort())
    assert (store.committed, store.aborted) == (0, 1)
