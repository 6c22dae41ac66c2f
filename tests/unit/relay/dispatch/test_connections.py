"""Sessions are kept for a while, used again while they are good, and there are so many at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailbox_d.relay.dispatch.connections import Connections, Link
from mailbox_d.relay.dispatch.outcomes import NOBODY
from tests.unit.relay.at_once import done


@dataclass
class Session:
    is_usable: bool = True
    closed: int = 0
    fails: bool = False

    async def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise RuntimeError("it does not end as it should")


@dataclass
class Pool:
    clock: Clock = field(default_factory=Clock)
    idle: float = 2.0
    most: int = 2
    in_all: int = 100
    messages: int = 100

    def __post_init__(self) -> None:
        self.connections = Connections(
            self.clock.callLater,
            most=self.in_all,
            most_each=self.most,
            idle_seconds=self.idle,
            messages=self.messages,
        )


def link(**options: Any) -> tuple[Link, Session]:
    session = Session(**options)
    return Link(session, NOBODY), session  # type: ignore[arg-type]


def test_a_session_is_used_again_for_its_route_alone() -> None:
    pool, (kept, _) = Pool(), link()
    pool.connections.keep("a", kept)
    assert pool.connections.take("b") is None
    assert pool.connections.take("a") is kept
    assert pool.connections.take("a") is None


def test_a_session_that_waits_too_long_is_closed() -> None:
    pool, (kept, session) = Pool(), link()
    pool.connections.keep("a", kept)
    pool.clock.advance(2.1)
    assert session.closed == 1
    assert pool.connections.take("a") is None


def test_a_session_that_is_taken_is_not_closed_by_its_old_timer() -> None:
    pool, (kept, session) = Pool(), link()
    pool.connections.keep("a", kept)
    pool.connections.take("a")
    pool.clock.advance(10)
    assert session.closed == 0


def test_a_session_that_is_not_usable_any_more_is_neither_kept_nor_used() -> None:
    pool, (bad, session), (good, later) = Pool(), link(is_usable=False), link()
    pool.connections.keep("a", bad)
    assert session.closed == 1
    pool.connections.keep("a", good)
    later.is_usable = False
    assert pool.connections.take("a") is None


def test_without_time_to_wait_none_is_kept() -> None:
    pool, (kept, session) = Pool(idle=0.0), link()
    pool.connections.keep("a", kept)
    assert session.closed == 1


def test_so_many_messages_go_over_a_session_and_no_more() -> None:
    pool, (kept, session) = Pool(messages=3), link()
    for _ in range(2):
        pool.connections.keep("a", kept)
        assert pool.connections.take("a") is kept
    pool.connections.keep("a", kept)
    assert session.closed == 1
    assert pool.connections.take("a") is None


def test_all_that_wait_are_closed_at_the_end_whatever_they_do() -> None:
    pool, (one, first), (two, second) = Pool(), link(fails=True), link()
    pool.connections.keep("a", one)
    pool.connections.keep("b", two)
    pool.connections.close_idle()
    assert (first.closed, second.closed) == (1, 1)
    assert pool.clock.getDelayedCalls() == []


def test_there_are_so_many_at_a_time_and_others_wait_their_turn() -> None:
    pool = Pool()
    inside: list[int] = []
    gates = [Deferred[None]() for _ in range(4)]

    async def use(number: int) -> None:
        async with pool.connections.place("a"):
            inside.append(number)
            await gates[number]

    uses = [Deferred.fromCoroutine(use(number)) for number in range(4)]
    assert inside == [0, 1]
    gates[0].callback(None)
    assert inside == [0, 1, 2]
    uses[3].cancel()
    uses[3].addErrback(lambda _: None)
    gates[1].callback(None)
    gates[2].callback(None)
    assert inside == [0, 1, 2]
    assert pool.connections._places == {}


async def make_one_more(connections: Connections, key: str) -> int:
    """How many there are when it is made."""
    async with connections.place(key):
        connections.make_room(key)
        return connections.count


def test_those_that_have_waited_longest_make_room_for_another_one() -> None:
    pool, links = Pool(), [link() for _ in range(4)]
    for (kept, _), key in zip(links, "aaab", strict=True):
        pool.connections.keep(key, kept)
    assert done(make_one_more(pool.connections, "a")) == 3
    assert [session.closed for _, session in links] == [1, 1, 0, 0]
    assert pool.connections.take("a") is links[2][0]
    pool.clock.advance(10)
    assert [session.closed for _, session in links] == [1, 1, 0, 1]


def test_those_of_other_routes_make_room_where_there_are_too_many_in_all() -> None:
    pool, links = Pool(in_all=2), [link() for _ in range(3)]
    for (kept, _), key in zip(links, "abc", strict=True):
        pool.connections.keep(key, kept)
    assert done(make_one_more(pool.connections, "d")) == 2
    assert [session.closed for _, session in links] == [1, 1, 0]


def test_one_that_is_under_way_makes_no_room() -> None:
    pool = Pool(in_all=1)

    async def use() -> int:
        async with pool.connections.place("a"):
            return await make_one_more(pool.connections, "b")

    assert done(use()) == 2
