"""Work on the queue: which messages are meant, what is done to them, in turns, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.address import EmailAddress
from mailbox_d.control import queue_choice
from mailbox_d.control.driver import InReactor
from mailbox_d.control.queue_jobs import QueueRoom
from mailbox_d.control.queue_offline import look_offline
from mailbox_d.control.queue_telling import QueueTally
from mailbox_d.errors import StorageFault
from mailbox_d.queue.message import Attempt, Envelope, Fate, Parcel, Recipient, Source
from mailbox_d.record.events import Event, Operated
from mailbox_d.relay.ports import Security
from mailbox_d.relay.tls.remembered import RememberedTls
from mailbox_d.store.files import FileSystem
from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.queue_requests import QueueRequest, QueueVerb, Which
from tests.unit.queue.mail import SENDER, Site

CAROL, DAVE = "carol@elsewhere.example", "dave@other.example"


class World:
    """A queue, the room where it is worked on, and what others were told."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.site.keep_up()
        self.events: list[Event] = []
        self.woken = self.forgotten = self.asked = 0
        self.runs, self.sessions = 3, 2
        files, path = FileSystem(), b"/nowhere"
        self.remembered = RememberedTls(files, path, run=lambda *a: Deferred(), clock=self.site.clock, most=10)
        self.room = QueueRoom(self.site.queue, self, self, self.remembered, self.events.append, self.site.clock)

    def scheduled(self) -> None:
        self.woken += 1

    def forget(self) -> None:
        self.forgotten += 1

    async def decide(self, identifier: str, decision: Callable[[Parcel], list[Attempt]]) -> None:
        self.asked += 1
        for job in self.site.queue.claim(identifier, self.site.clock()):
            parcel = self.site.queue.load(job, everybody=True)
            assert parcel is not None
            attempts = decision(parcel)
            if attempts:
                self.site.queue.settle(job, attempts, self.site.clock())
            else:
                self.site.queue.release(job)

    def send(self, identifier: str, *recipients: str, sender: EmailAddress | None = SENDER) -> None:
        found = tuple(Recipient(EmailAddress.parse(each)) for each in recipients)
        draft = self.site.queue.begin(
            identifier, Envelope(sender, found), Source.USER, "", b"Subject: x\r\nX: \xff\r\n"
        )
        draft.write(b"\r\nhello\r\n")
        draft.publish()
        draft.schedule()

    def ask(self, verb: QueueVerb, **options: Any) -> list[dict[str, Any]]:
        """All that is told, `end` last, but for progress."""
        tally, told, answered = QueueTally(), [], None
        work = self.room.work(QueueRequest(verb, **options))
        try:
            while True:
                step = work.send(answered)
                answered = result(step) if isinstance(step, InReactor) else None
                if not isinstance(step, InReactor):
                    told.append(dict(tally.answer(step)))
        except StopIteration:
            return [*without_progress(told), dict(tally.end())]

    def listed(self, **options: Any) -> list[str]:
        return [answer["id"] for answer in self.ask(QueueVerb.LIST, **options) if answer["answer"] == "message"]

    def operated(self) -> list[tuple[str, str]]:
        return [(event.identifier, event.verb) for event in self.events if isinstance(event, Operated)]


def result(step: InReactor) -> object:
    async def work() -> object:
        return await step.work()

    found: list[object] = []
    Deferred.fromCoroutine(work()).addBoth(found.append)
    return found[0]


def without_progress(told: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [answer for answer in told if answer["answer"] != "progress"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "queue")
    world.send("A1", CAROL)
    world.send("A2", CAROL, DAVE)
    world.send("A3", "Carol@elsewhere.example", sender=EmailAddress.parse("Bob@example.org"))
    world.send("A4", DAVE, sender=None)
    return world


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["A1", "A2", "A3", "A4"]),
        ({"domain": "elsewhere.example"}, ["A1", "A2", "A3"]),
        ({"domain": "OTHER.example"}, ["A2", "A4"]),
        ({"recipient": "CAROL@Elsewhere.Example"}, ["A1", "A2", "A3"]),
        ({"recipient": CAROL, "domain": "other.example"}, []),
        ({"recipient": "eve@elsewhere.example"}, []),
        ({"sender": "bob@example.org"}, ["A3"]),
        ({"sender": "<>"}, ["A4"]),
        ({"sender": str(SENDER), "domain": "other.example"}, ["A2"]),
        ({"which": Which.DUE}, ["A1", "A2", "A3", "A4"]),
        ({"which": Which.HELD}, []),
        ({"ids": ("A2", "A1", "A2")}, ["A2", "A1"]),
        ({"limit": 1}, ["A1"]),
    ],
)
@pytest.mark.parametrize("page", [1, 2, 100])
def test_messages_are_chosen_by_what_they_are_each_once(
    world: World, options: dict[str, Any], names: list[str], page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_choice, "_PAGE", page)
    assert world.listed(**options) == names
    if "limit" not in options:
        offline = look_offline(world.site.root, QueueRequest(QueueVerb.LIST, **options))
        assert sorted(str(answer["id"]) for answer in offline) == sorted(names)


def test_what_waits_for_later_is_not_due_and_what_is_held_never(world: World) -> None:
    world.site.settle(world.site.take("elsewhere.example"), Fate.DEFERRED)
    world.ask(QueueVerb.HOLD, ids=("A4",))
    for which, names in ((Which.DUE, ["A2", "A3"]), (Which.HELD, ["A4"])):
        assert world.listed(which=which) == names
        offline = look_offline(world.site.root, QueueRequest(QueueVerb.LIST, which=which))
        assert sorted(str(answer["id"]) for answer in offline) == names


def test_what_is_being_sent_is_listed_first_and_once(world: World) -> None:
    job = world.site.take("other.example")
    told = {answer["id"]: answer["state"] for answer in world.ask(QueueVerb.LIST)[:-1]}
    assert list(told) == ["A2", "A1", "A3", "A4"]
    assert told["A2"] == "sending" and told["A1"] == "waiting"
    world.site.queue.release(job)


def test_a_list_holds_little_and_its_first_line_comes_at_once(world: World) -> None:
    """What is not asked for yet is not looked at."""
    for number in range(500):
        world.send(f"B{number}", CAROL)
    looked_at = 0
    show = world.site.queue.show

    def counted(identifier: str) -> Any:
        nonlocal looked_at
        looked_at += 1
        return show(identifier)

    world.site.queue.show = counted  # type: ignore[method-assign]
    work = world.room.work(QueueRequest(QueueVerb.LIST))
    while next(work)["answer"] != "message":  # type: ignore[index]
        pass
    assert looked_at == 1
    work.close()


def test_each_message_is_held_released_and_retried_and_the_record_knows(world: World) -> None:
    *told, end = world.ask(QueueVerb.HOLD, sender=str(SENDER))
    assert [(each["id"], each["did"]) for each in told] == [("A1", "held"), ("A2", "held")]
    assert (end["changed"], end["status"], world.woken) == (2, 0, 0)
    assert world.site.due() == {"elsewhere.example": ["A3"], "other.example": ["A4"]}
    assert [each["did"] for each in world.ask(QueueVerb.RETRY, ids=("A1", "A3"))[:-1]] == [
        "due when it is released",
        "due now",
    ]
    assert world.forgotten == 1 and world.woken
    world.ask(QueueVerb.RELEASE, which=Which.HELD)
    assert world.site.due()["elsewhere.example"] == ["A1", "A2", "A3"]
    verbs = ["held", "held", "retried", "retried", "released", "released"]
    assert world.operated() == list(zip(["A1", "A2", "A1", "A3", "A1", "A2"], verbs, strict=True))


def test_what_is_not_there_is_said_and_the_rest_is_done(world: World) -> None:
    missing, changed, end = world.ask(QueueVerb.HOLD, ids=("../A1", "A1"))
    assert (missing["answer"], changed["answer"], end["status"]) == ("missing", "changed", 1)


@pytest.mark.parametrize("bounce", [False, True])
def test_whole_messages_are_removed(world: World, bounce: bool) -> None:
    told = world.ask(QueueVerb.REMOVE, all=True, yes=True, bounce=bounce)
    assert told[-1]["changed"] == 4 and told[-1]["status"] == 0
    last = "removed, and nobody wants a report"
    assert [each["did"] for each in told[:-1]] == (
        ["given back to its sender"] * 3 + [last] if bounce else ["removed"] * 4
    )
    assert world.site.queue.messages == 0 and world.site.due() == {}
    assert world.operated() == [(f"A{number}", "removed") for number in range(1, 5)]
    assert world.asked == (4 if bounce else 0)


@pytest.mark.parametrize("bounce", [False, True])
@pytest.mark.parametrize("options", [{"domain": "other.example"}, {"recipient": DAVE}])
def test_recipients_who_are_not_meant_stay(world: World, options: dict[str, str], bounce: bool) -> None:
    told = world.ask(QueueVerb.REMOVE, yes=True, bounce=bounce, **options)
    assert [each["id"] for each in told[:-1]] == ["A2", "A4"]
    assert world.site.due() == {"elsewhere.example": ["A1", "A2", "A3"]}


def test_more_than_one_message_is_removed_with_a_yes_alone(world: World) -> None:
    for options in ({"all": True}, {"ids": ("A1", "A2")}, {"domain": "other.example"}):
        with pytest.raises(BadRequest, match="would be removed: say --yes"):
            world.ask(QueueVerb.REMOVE, **options)
    assert world.site.queue.messages == 4
    assert world.ask(QueueVerb.REMOVE, sender="<>")[-1]["changed"] == 1
    assert world.ask(QueueVerb.REMOVE, sender="<>")[-1]["changed"] == 0


def test_what_comes_after_messages_were_counted_needs_a_yes_too(world: World) -> None:
    work = world.room.work(QueueRequest(QueueVerb.REMOVE, sender="<>"))
    assert [next(work)["answer"] for _ in range(2)] == ["progress", "progress"]  # type: ignore[index]
    world.send("A5", DAVE, sender=None)
    assert [answer["id"] for answer in work if answer["answer"] == "changed"] == ["A4"]  # type: ignore[index]
    assert world.listed(sender="<>") == ["A5"]


@pytest.mark.parametrize("bounce", [False, True])
def test_what_is_being_sent_stays_and_the_rest_of_it_goes(world: World, bounce: bool) -> None:
    job = world.site.take("other.example")
    trouble, end = world.ask(QueueVerb.REMOVE, ids=("A2",), bounce=bounce)
    assert (trouble["answer"], end["status"]) == ("trouble", 3)
    state = world.site.queue.show("A2")
    assert state is not None and [str(one.address) for one in state.waiting()] == [DAVE]
    assert world.operated() == [("A2", "removed")]
    assert world.ask(QueueVerb.REMOVE, ids=("A2",), bounce=bounce)[-1]["status"] == 3
    assert world.operated() == [("A2", "removed")], "this time nothing was"
    world.site.settle(job, Fate.RELAYED)
    assert world.site.queue.show("A2") is None


def test_a_disk_that_takes_no_outcome_loses_no_claim(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFault("The mail store is not available now", cause="ENOSPC")

    with monkeypatch.context() as patched:
        patched.setattr(world.site.queue, "settle", full)
        patched.setattr(world.site.queue, "hold", full)
        for verb, options in ((QueueVerb.REMOVE, {"domain": "other.example"}), (QueueVerb.HOLD, {"ids": ("A1",)})):
            told = world.ask(verb, yes=True, **options)
            assert "ENOSPC" in told[0]["why"] and told[-1]["status"] == 3
    assert world.site.queue.being_sent() == ()
    assert world.site.due()["other.example"] == ["A2"]


def test_a_message_is_shown_with_its_header(world: World) -> None:
    world.site.settle(world.site.take("elsewhere.example"), Fate.DEFERRED)
    envelope, recipient, *header, end = world.ask(QueueVerb.SHOW, ids=("A1",), content=True)
    assert (envelope["sender"], envelope["recipients"], envelope["state"]) == (str(SENDER), 1, "waiting")
    assert (recipient["to"], recipient["state"], recipient["attempts"]) == (CAROL, "waiting", 1)
    assert recipient["notify"] == ["failure", "delay"] and recipient["reply"] == "so be it"
    assert [each["text"] for each in header] == ["Subject: x", "X: \udcff"]
    assert end["status"] == 0
    assert world.ask(QueueVerb.SHOW, ids=("../messages/A1",))[-1]["status"] == 1


def test_figures(world: World) -> None:
    world.ask(QueueVerb.HOLD, ids=("A4",))
    queue, first, second, end = world.ask(QueueVerb.STATS)
    assert (queue["messages"], queue["waiting"], queue["held"], queue["domains"]) == (4, 4, 1, 2)
    assert (queue["runs"], queue["connections"], queue["damaged"], end["status"]) == (3, 2, 0, 0)
    assert (first["domain"], first["waiting"], first["held"]) == ("elsewhere.example", 3, 0)
    assert (second["domain"], second["waiting"], second["held"]) == ("other.example", 1, 1)
    offline = without_progress(map(dict, look_offline(world.site.root, QueueRequest(QueueVerb.STATS))))
    assert offline == [{**queue, "runs": None, "connections": None}, first, second]


def test_damaged_files_are_counted(world: World) -> None:
    path = world.site.root / "messages/A1"
    path.write_bytes(b"junk")
    told = list(look_offline(world.site.root, QueueRequest(QueueVerb.LIST)))
    assert len(told) == 4 and "damaged: 1" in str(told[-1]["text"])
    *_, queue, _, _ = look_offline(world.site.root, QueueRequest(QueueVerb.STATS))
    assert queue["damaged"] == 1
    assert path.exists()
    world.ask(QueueVerb.SHOW, ids=("A1",), content=True)
    assert world.ask(QueueVerb.STATS)[0]["damaged"] == 1
    assert not path.exists()


def test_where_there_never_was_a_queue_there_is_nothing(tmp_path: Path) -> None:
    assert list(look_offline(tmp_path / "queue", QueueRequest(QueueVerb.LIST))) == []
    queue, *_ = look_offline(tmp_path / "queue", QueueRequest(QueueVerb.STATS))
    assert queue["messages"] == 0
    assert not (tmp_path / "queue").exists()


def test_what_is_remembered_of_tls_is_told_and_forgotten(world: World) -> None:
    world.remembered.note("elsewhere.example", Security.ENCRYPTED)
    world.remembered.note("other.example", Security.AUTHENTICATED)
    told = world.ask(QueueVerb.TLS)
    assert [(each["domain"], each["level"]) for each in told[:-1]] == [
        ("elsewhere.example", "encrypted"),
        ("other.example", "authenticated"),
    ]
    assert world.ask(QueueVerb.FORGET_TLS, domain="OTHER.example")[0]["did"] == "forgotten"
    assert world.ask(QueueVerb.FORGET_TLS, domain="other.example")[-1]["status"] == 1
    assert world.ask(QueueVerb.TLS, domain="other.example")[-1]["status"] == 1
    assert world.remembered.level("other.example") is Security.PLAIN


@pytest.mark.parametrize(
    "options",
    [{"domain": "a b"}, {"domain": "x" * 300}, {"sender": "nobody"}, {"recipient": "<carol@elsewhere.example>"}],
)
def test_what_is_no_address_is_refused_before_anything_is_done(world: World, options: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        world.room.work(QueueRequest(QueueVerb.LIST, **options))
