"""Which MTA-STS policy holds, while DNS, the policy's server and the clock do what they like."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.relay.tls.mta_sts import Mode, Policy
from mailbox_d.relay.tls.mta_sts_cache import FetchFailed, FoundPolicy, MtaStsPolicies
from mailbox_d.relay.tls.mta_sts_files import PolicyFiles
from mailbox_d.store.files import FileSystem
from tests.unit.relay.at_once import at_once, done
from tests.unit.relay.zone import Zone

DOMAIN = "example.org"
RECORD = '_mta-sts.example.org TXT "v=STSv1; id=1"'
FIRST = Policy(Mode.ENFORCE, 1000, ("mx.example.org",))
SECOND = Policy(Mode.ENFORCE, 2000, ("mx2.example.org", "*.example.net"))
REFUSED = FetchFailed("the policy's server answered with status 500")
DAY = 86400


class Server:
    """A policy's server: what it answers next, and how often it was asked."""

    def __init__(self) -> None:
        self.answer: Policy | Exception = FIRST
        self.asked = 0
        self.wait: Deferred[None] | None = None

    async def fetch(self, domain: str) -> Policy:
        self.asked += 1
        if self.wait is not None:
            await self.wait
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Place:
    """A folder of policies, a zone, a server, a clock, and what is kept by them."""

    def __init__(self, folder: Path, most: int = 100) -> None:
        self.folder = folder / "mta-sts"
        self.zone = Zone(RECORD)
        self.server = Server()
        self.now = 1_000_000.0
        self.most = most
        self.policies = self.restarted()

    def restarted(self, files: FileSystem | None = None) -> MtaStsPolicies:
        self.policies = MtaStsPolicies(
            self.zone,
            self.server,
            PolicyFiles(files or FileSystem(), os.fsencode(self.folder)),
            run=at_once,
            clock=lambda: self.now,
            most=self.most,
        )
        done(self.policies.load())
        return self.policies

    def found(self, domain: str = DOMAIN) -> FoundPolicy:
        return done(self.policies.of(domain))  # type: ignore[no-any-return]

    def publish(self, identifier: str) -> None:
        self.zone.forget("_mta-sts.example.org")
        self.zone.add(RECORD.replace("id=1", f"id={identifier}"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_policy_is_fetched_once_for_each_id(place: Place) -> None:
    assert [place.found(), place.found()] == [FoundPolicy(FIRST)] * 2
    assert place.server.asked == 1
    place.publish("2")
    place.server.answer = SECOND
    assert [place.found(), place.found()] == [FoundPolicy(SECOND)] * 2
    assert place.server.asked == 2


def test_without_an_id_nobody_is_asked(place: Place) -> None:
    place.zone.forget("_mta-sts.example.org")
    assert place.found() == FoundPolicy()
    place.zone.add('_mta-sts.example.org TXT "v=STSv1; id=1"\n_mta-sts.example.org TXT "v=STSv1; id=2"')
    assert place.found() == FoundPolicy()
    place.zone.failing.add("_mta-sts.example.org")
    assert place.found() == FoundPolicy()
    assert place.server.asked == 0


def test_a_policy_that_cannot_be_had_is_none_and_is_asked_for_again_after_five_minutes(place: Place) -> None:
    place.server.answer = REFUSED
    failed = FoundPolicy(None, str(REFUSED), "sts-policy-fetch-error")
    assert [place.found(), place.found()] == [failed] * 2
    place.now += 299
    assert place.found() == failed
    assert place.server.asked == 1
    place.now += 1
    place.server.answer = FIRST
    assert place.found() == FoundPolicy(FIRST)


def test_a_new_id_is_asked_for_at_once(place: Place) -> None:
    place.server.answer = REFUSED
    place.found()
    place.server.answer = FIRST
    place.publish("2")
    assert place.found() == FoundPolicy(FIRST)


@pytest.mark.parametrize("lost", ["record", "answer", "server", "policy"])
@pytest.mark.parametrize("restart", [False, True])
def test_attack_48_what_is_kept_holds_until_its_time_is_over(place: Place, lost: str, restart: bool) -> None:
    """Whoever keeps DNS or HTTPS from us does not get rid of a policy that we have."""
    place.found()
    if lost == "record":
        place.zone.forget("_mta-sts.example.org")
    elif lost == "answer":
        place.zone.failing.add("_mta-sts.example.org")
    else:
        place.publish("2")
        place.server.answer = REFUSED if lost == "server" else FetchFailed("no policy", "sts-policy-invalid")
    if restart:
        place.restarted()
    place.now += 999
    assert place.found().policy == FIRST
    place.now += 1
    assert place.found().policy is None


def test_a_policy_that_ended_is_fetched_again_though_its_id_is_the_same(place: Place) -> None:
    place.found()
    place.now += 1000
    place.server.answer = SECOND
    assert place.found() == FoundPolicy(SECOND)


def test_a_policy_that_holds_for_no_time_holds_now(place: Place) -> None:
    place.server.answer = Policy(Mode.ENFORCE, 0, ("mx.example.org",))
    assert place.found() == FoundPolicy(place.server.answer)
    place.zone.forget("_mta-sts.example.org")
    assert place.found() == FoundPolicy()


def test_many_who_want_a_policy_at_once_cause_one_fetch(place: Place) -> None:
    place.server.wait = Deferred()
    outcome: list[Any] = []
    waiting = [Deferred.fromCoroutine(place.policies.of(DOMAIN)) for _ in range(5)]
    for one in waiting:
        one.addBoth(outcome.append)
    waiting[0].cancel()
    waiting[2].cancel()
    assert len(outcome) == 2
    place.server.wait.callback(None)
    assert outcome[2:] == [FoundPolicy(FIRST)] * 3
    assert place.server.asked == 1


def test_a_fault_of_ours_is_no_policy_and_keeps_no_mail(place: Place) -> None:
    place.server.answer = ZeroDivisionError()
    assert place.found().failure == "sts-policy-fetch-error"


def test_policies_are_fetched_again_before_they_end(place: Place) -> None:
    place.found()
    place.now += 499
    done(place.policies.refresh())
    assert place.server.asked == 1
    place.now += 1
    place.server.answer = SECOND
    done(place.policies.refresh())
    assert place.found() == FoundPolicy(SECOND)
    assert place.server.asked == 2
    place.zone.forget("_mta-sts.example.org")
    place.now += 1999
    assert place.restarted() and place.found() == FoundPolicy(SECOND)


def test_policies_that_hold_for_long_are_fetched_again_after_a_day(place: Place) -> None:
    place.server.answer = Policy(Mode.ENFORCE, 100 * DAY, ("mx.example.org",))
    place.found()
    for _ in range(10):
        place.now += DAY - 1
        done(place.policies.refresh())
        place.now += 1
        done(place.policies.refresh())
    assert place.server.asked == 11


def test_policies_that_no_mail_needs_are_let_go(place: Place) -> None:
    place.server.answer = Policy(Mode.ENFORCE, 40 * DAY, ("mx.example.org",))
    place.found()
    for _ in range(80):
        place.now += DAY
        done(place.policies.refresh())
    assert place.server.asked == 30
    assert os.listdir(place.folder) == []


def test_a_refresh_that_fails_leaves_what_there_is(place: Place) -> None:
    place.found()
    place.server.answer = REFUSED
    place.now += 900
    done(place.policies.refresh())
    done(place.policies.refresh())
    assert place.server.asked == 2
    assert place.found() == FoundPolicy(FIRST)


def test_of_too_many_domains_those_that_had_mail_last_are_kept(tmp_path: Path) -> None:
    place = Place(tmp_path, most=3)
    for number in range(5):
        place.now += 1
        place.zone.add(f'_mta-sts.d{number}.example TXT "v=STSv1; id=1"')
        place.found(f"d{number}.example")
        place.found("d0.example")
    assert sorted(os.listdir(place.folder)) == ["d0.example", "d3.example", "d4.example"]
    place.most = 2
    place.restarted()
    assert len(os.listdir(place.folder)) == 2


@pytest.mark.parametrize("domain", ["../etc/passwd", "", ".", "..", "a/b", "example.org~", "exämple.org", "x" * 251])
def test_names_that_are_none_become_no_files(place: Place, domain: str) -> None:
    assert place.found(domain) == FoundPolicy()
    assert place.zone.asked == []


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"id: 1\n", b"id: 1\nfetched: 1000000\nused: 1000000\nversion: STSv9\n", b"x" * (1 << 20)]
)
def test_what_lies_there_and_is_no_policy_is_removed(place: Place, text: bytes) -> None:
    (place.folder / DOMAIN).write_bytes(text)
    (place.folder / "example.net~").write_bytes(text)
    place.restarted()
    assert os.listdir(place.folder) == []
    assert place.found() == FoundPolicy(FIRST)


@pytest.mark.parametrize(
    "lay",
    [
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("/etc/hostname"),
        lambda path: os.mkfifo(path),
        lambda path: path.write_bytes(b"x" * (2 << 20)),
    ],
)
def test_what_cannot_be_read_takes_nothing_from_the_policies_of_others(
    place: Place, lay: Callable[[Path], object]
) -> None:
    """An enforced policy that is dropped is a connection that somebody may listen to."""
    place.found()
    lay(place.folder / "a.example")
    lay(place.folder / "z.example")
    place.zone.forget("_mta-sts.example.org")
    place.restarted()
    assert place.found() == FoundPolicy(FIRST)
    assert len(os.listdir(place.folder)) == 3


class UnreadableFile(FileSystem):
    def open(self, path: bytes, flags: int) -> int:
        if path.endswith(b"/a.example"):
            raise PermissionError(13, "Permission denied")
        return super().open(path, flags)


def test_a_policy_that_may_not_be_read_is_alone_with_that(place: Place) -> None:
    place.found()
    (place.folder / "a.example").write_bytes(b"")
    place.zone.forget("_mta-sts.example.org")
    place.restarted(UnreadableFile())
    assert place.found() == FoundPolicy(FIRST)


class FullDisk(FileSystem):
    def write(self, descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    def names(self, directory: bytes) -> list[bytes]:
        raise OSError(5, "Input/output error")


def test_a_disk_that_fails_costs_what_was_kept_and_no_mail(place: Place) -> None:
    place.restarted(FullDisk())
    assert [place.found(), place.found()] == [FoundPolicy(FIRST)] * 2
    assert os.listdir(place.folder) == []
