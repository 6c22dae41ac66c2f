"""Child processes do the work that they are given, and whatever becomes of one concerns its own work alone."""

from __future__ import annotations

import errno
import os
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from mailbox_d.net.child_frames import FrameReader, FrameTooLong, frame
from mailbox_d.net.children import ChildFailed, Children

WORK = "tests.unit.net.child_work:work"


@given(st.lists(st.binary()), st.integers(1, 9))
def test_lists_cross_a_pipe_however_it_cuts_them(words: list[bytes], size: int) -> None:
    reader = FrameReader()
    sent = frame(words) + frame([b"next"])
    found = []
    for at in range(0, len(sent), size):
        reader.feed(sent[at : at + size])
        while (one := reader.next_frame()) is not None:
            found.append(one)
    assert found == [words, [b"next"]]


@pytest.mark.parametrize(
    "octets",
    [
        b"\xff" * 8,
        b"\0\0\0\4\0\0\0\1",
        b"\0\0\0\5\0\0\0\0x",
        b"\0\0\0\0",
        b"\0\0\0\x09\0\0\0\1\0\0\0\2x",
        b"\0\0\0\7\0\0\0\1\0\0\0",
    ],
)
def test_what_is_no_list_is_refused(octets: bytes) -> None:
    reader = FrameReader()
    reader.feed(octets)
    with pytest.raises(FrameTooLong):
        reader.next_frame()


class ChildrenTest(TestCase):
    timeout = 60

    def children(self, **settings: Any) -> Children:
        children = Children(reactor, WORK, **settings)
        children.startService()
        self.addCleanup(self.ended, children)
        return children

    async def ended(self, children: Children) -> None:
        if children.running:
            children.stopService()
        while children._children:
            await _soon()

    def begun(self, work: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        return Deferred.fromCoroutine(work)

    async def test_work_is_done_by_one_child_after_another(self) -> None:
        children = self.children(count=1)
        answers = await gatherResults([self.begun(children.run([b"echo", b"%d" % n, b"\0" * n])) for n in range(20)])
        self.assertEqual(answers, [[b"%d" % n, b"\0" * n] for n in range(20)])
        first, second = [await children.run([b"who"]) for _ in range(2)]
        self.assertEqual(first, second)
        self.assertNotEqual(int(first[0]), os.getpid())
        self.assertGreater(int(first[1]), os.getpriority(os.PRIO_PROCESS, 0))

    async def test_what_nobody_wants_any_more_is_not_begun(self) -> None:
        children = self.children(count=1)
        first, unwanted, last = [self.begun(children.run([b"echo", word])) for word in (b"1", b"2", b"3")]
        unwanted.cancel()
        await self.assertFailure(unwanted, CancelledError)
        self.assertEqual([frame([b"echo", b"3"])], [asked for asked, _ in children._waiting])
        first.cancel()
        await self.assertFailure(first, CancelledError)
        self.assertEqual(await last, [b"3"])

    async def test_a_large_answer_comes_whole(self) -> None:
        octets = os.urandom(5_000_000)
        self.assertEqual(await self.children().run([b"echo", octets]), [octets])

    async def test_one_is_ready_before_there_is_work(self) -> None:
        children = self.children(count=2, ready=True)
        await _soon()  # until the reactor runs
        self.assertEqual(len(children._children), 1)
        (pid,) = [child.transport.pid for child in children._children]
        self.assertEqual(int((await children.run([b"who"]))[0]), pid)

    async def test_one_that_dies_fails_its_work_alone(self) -> None:
        children = self.children(count=1)
        dying, living = self.begun(children.run([b"die"])), self.begun(children.run([b"echo", b"alive"]))
        await self.assertFailure(dying, ChildFailed)
        self.assertEqual(await living, [b"alive"])

    async def test_an_exception_is_told_in_one_line_of_the_log(self) -> None:
        with capturedLogs() as logged:
            await self.assertFailure(self.begun(self.children().run([b"fail"])), ChildFailed)
        said = "".join(event.get("text", "") for event in logged)
        self.assertIn("this is hopeless", said)
        self.assertNotIn("\n", said)

    async def test_one_that_takes_too_long_is_ended(self) -> None:
        children = self.children(count=1, seconds=0.5)
        await self.assertFailure(self.begun(children.run([b"hang"])), ChildFailed)
        self.assertEqual(len(children._children), 0)

    async def test_one_that_talks_nonsense_is_ended(self) -> None:
        await self.assertFailure(self.begun(self.children().run([b"babble"])), ChildFailed)

    async def test_where_none_can_be_begun_its_work_fails_and_a_later_one_s_does_not(self) -> None:
        children, clock = self.children(count=1), Clock()
        children._reactor = clock
        clock.spawnProcess = no_descriptor_left  # type: ignore[attr-defined]
        for _ in range(2):
            await self.assertFailure(self.begun(children.run([b"echo"])), ChildFailed)
        children._reactor = reactor
        children._not_before = 0.0
        self.assertEqual(await children.run([b"echo", b"alive"]), [b"alive"])

    async def test_after_a_failure_none_is_begun_for_a_while(self) -> None:
        children, clock = self.children(count=1), Clock()
        children._reactor, tries = clock, []
        clock.spawnProcess = lambda *args, **kwargs: no_descriptor_left(tries.append(clock.seconds()))  # type: ignore[attr-defined]
        for _ in range(25):
            clock.advance(1)
            await self.assertFailure(self.begun(children.run([b"echo"])), ChildFailed)
        self.assertEqual(tries, [1.0, 11.0, 21.0])

    async def test_the_end_of_the_daemon_is_theirs(self) -> None:
        children = self.children(count=1)
        pid = int((await children.run([b"who"]))[0])
        under_way, waiting = self.begun(children.run([b"hang"])), self.begun(children.run([b"echo"]))
        children.stopService()
        await self.assertFailure(waiting, ChildFailed)
        await self.assertFailure(under_way, ChildFailed)
        self.assertRaises(ProcessLookupError, os.kill, pid, 0)
        await self.assertFailure(self.begun(children.run([b"echo"])), ChildFailed)


def no_descriptor_left(*args: object, **kwargs: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _soon() -> Deferred[None]:
    waiting: Deferred[None] = Deferred()
    reactor.callLater(0.01, waiting.callback, None)
    return waiting
