from __future__ import annotations

import os
import re
import threading
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError, StorageFault
from mailbox_d.queue.message import Attempt, Fate, Source
from mailbox_d.queue.message_file import first_line, read_top
from mailbox_d.queue.outcomes import MessageState
from mailbox_d.queue.schedule import Selection
from tests.unit.queue.mail import BACKOFF, NOON, RECEIVED, Site, envelope

BOB, CAROL, DAVE = (EmailAddress.parse(f"{name}@example.com") for name in ("bob", "carol", "dave"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "queue")
    site.keep_up()
    return site


def attempt(address: EmailAddress, fate: Fate, at: float = NOON) -> Attempt:
    return Attempt(at, address, fate, "2.0.0")


def test_a_message_comes_and_goes(site: Site) -> None:
    site.send("A1", "bob@example.com")
    assert site.queue.messages == 1 and site.queue.next_due() == 0.0
    job = site.take("example.com")
    assert site.queue.take("example.com", NOON) is None, "it is claimed"
    parcel = site.queue.load(job)
    assert parcel is not None and parcel.message.octets == len(site.octets("A1")) and parcel.attempts == 0
    settlement = site.queue.settle(job, [attempt(BOB, Fate.DELIVERED)], NOON)
    assert settlement.is_removed and [one.address for one in settlement.final] == [BOB] and not settlement.again
    assert site.queue.messages == 0 and site.queue.next_due() is None and site.due() == {}
    assert os.listdir(site.root / "messages") == []


def test_what_is_published_is_not_sent_before_it_is_scheduled(site: Site) -> None:
    draft = site.draft("A1", "bob@example.com")
    assert os.listdir(site.root / "messages") == []
    draft.publish()
    assert os.listdir(site.root / "messages") == ["A1"]
    site.queue.jobs.note_loss()
    site.keep_up()
    assert site.due() == {}
    draft.schedule()
    draft.abort()
    assert site.due() == {"example.com": ["A1"]}


def test_what_is_published_is_sent_after_the_process_s_end(site: Site) -> None:
    site.draft("A1", "bob@example.com").publish()
    site.restart(is_clean=False)
    site.keep_up()
    assert site.due() == {"example.com": ["A1"]}


@pytest.mark.parametrize("body", [b"small", b"large" * 1000], ids=["small", "large"])
@pytest.mark.parametrize("is_published", [False, True])
def test_a_draft_that_is_given_up_leaves_nothing(site: Site, body: bytes, is_published: bool) -> None:
    draft = site.draft("A1", "bob@example.com", body=body)
    if is_published:
        draft.publish()
        draft.withdraw()
    draft.abort()
    draft.abort()
    assert os.listdir(site.root / "messages") == os.listdir(site.root / "tmp") == []
    site.send("A1", "bob@example.com")
    assert site.due() == {"example.com": ["A1"]}


def test_domains_are_jobs_of_their_own(site: Site) -> None:
    site.send("A1", "bob@example.com", "eve@example.net", "carol@example.com")
    job, other = site.take("example.com"), site.take("example.net")
    settlement = site.queue.settle(job, [attempt(BOB, Fate.DELIVERED), attempt(CAROL, Fate.DEFERRED)], NOON)
    assert not settlement.is_removed and [one.address for one in settlement.final] == [BOB]
    assert [(one.address, due) for one, due in settlement.again] == [(CAROL, NOON + 100)]
    site.settle(other, Fate.FAILED)
    assert site.due() == {} and site.queue.next_due() == NOON + 100
    site.clock.now += 100
    parcel = site.queue.load(site.take("example.com"))
    assert parcel is not None and [one.address for one in parcel.waiting] == [CAROL] and parcel.attempts == 1


def test_recipients_without_an_attempt_are_due_as_before(site: Site) -> None:
    site.send("A1", "bob@example.com", "carol@example.com")
    site.queue.settle(site.take("example.com"), [attempt(BOB, Fate.DEFERRED)], NOON)
    parcel = site.queue.load(site.take("example.com"))
    assert parcel is not None and [one.address for one in parcel.waiting] == [CAROL]


def test_a_claim_that_is_released_is_due_again(site: Site) -> None:
    site.send("A1", "bob@example.com")
    job = site.take("example.com")
    site.queue.load(job)
    site.queue.release(job)
    assert site.due() == {"example.com": ["A1"]} and site.queue._open._open == {}


def test_claims_die_with_the_process(site: Site) -> None:
    for name in ("A1", "B1"):
        site.send(name, "bob@example.com")
    site.settle(site.take("example.com"), Fate.DEFERRED)
    site.clock.now += 100
    site.take("example.com")
    site.take("example.com")
    site.restart(is_clean=True)
    assert not site.queue.jobs.is_wanting and site.due() == {"example.com": ["A1", "B1"]}


def test_a_message_whose_file_is_gone_is_forgotten(site: Site) -> None:
    site.send("A1", "bob@example.com")
    site.restart(is_clean=True)
    (site.root / "messages/A1").unlink()
    job = site.take("example.com")
    assert site.queue.load(job) is None and site.queue.content("A1") is None
    assert site.queue.next_due() is None and site.queue._open._open == {}


def test_a_schedule_that_is_wrong_sends_nothing_early_or_twice(site: Site) -> None:
    site.send("A1", "bob@example.com", "carol@example.com")
    site.queue.settle(site.take("example.com"), [attempt(BOB, Fate.DELIVERED), attempt(CAROL, Fate.DEFERRED)], NOON)
    site.queue.jobs.change("A1", due=NOON)
    job = site.take("example.com")
    assert site.queue.load(job) is None
    assert site.queue.next_due() == NOON + 100


def test_held_messages_wait(site: Site) -> None:
    site.send("A1", "bob@example.com")
    assert site.queue.hold("A1") and site.queue.hold("A1")
    assert site.due() == {} and site.queue.next_due() is None
    for is_clean in (True, False):
        site.restart(is_clean=is_clean)
        site.keep_up()
        assert site.due() == {}
    state = site.queue.show("A1")
    assert state is not None and state.is_held
    assert site.queue.unhold("A1") and site.due() == {"example.com": ["A1"]}
    assert not site.queue.hold("B1") and not site.queue.unhold("B1")


def test_a_message_that_is_held_while_it_is_sent_waits_after_that(site: Site) -> None:
    site.send("A1", "bob@example.com")
    job = site.take("example.com")
    attempts = site.attempts(job, Fate.DEFERRED)
    assert site.queue.hold("A1")
    site.queue.settle(job, attempts, NOON)
    site.clock.now += 10_000
    assert site.due() == {}
    site.queue.unhold("A1")
    assert site.due() == {"example.com": ["A1"]}


def test_retry_makes_due(site: Site) -> None:
    site.send("A1", "bob@example.com", "eve@example.net")
    for domain in ("example.com", "example.net"):
        site.settle(site.take(domain), Fate.DEFERRED)
    assert site.queue.retry("A1", NOON) and not site.queue.retry("B1", NOON)
    assert site.due() == {"example.com": ["A1"], "example.net": ["A1"]}
    site.restart(is_clean=False)
    site.keep_up()
    assert site.due() == {"example.com": ["A1"], "example.net": ["A1"]}


def test_remove(site: Site) -> None:
    site.send("A1", "bob@example.com", "eve@example.net")
    job = site.take("example.com")
    site.queue.load(job)
    assert not site.queue.remove("A1", NOON), "it is being sent"
    assert site.due() == {"example.net": ["A1"]}
    site.queue.release(job)
    assert site.queue.remove("A1", NOON) and not site.queue.remove("A1", NOON)
    assert site.due() == {} and site.queue.messages == 0 and os.listdir(site.root / "messages") == []
    assert site.queue._open._open == {} and site.queue.jobs.claimed == 0


def test_removal_with_a_report_is_a_settlement(site: Site) -> None:
    site.send("A1", "bob@example.com", "eve@example.net")
    site.settle(site.take("example.net"), Fate.DEFERRED)
    site.queue.hold("A1")
    jobs = site.queue.claim("A1", NOON)
    assert sorted(job.domain for job in jobs) == ["example.com", "example.net"]
    for job in jobs:
        parcel = site.queue.load(job, everybody=True)
        assert parcel is not None and len(parcel.waiting) == 1
        site.queue.settle(job, [attempt(parcel.waiting[0].address, Fate.FAILED)], NOON)
    assert site.queue.messages == 0 and site.queue.claim("A1", NOON) == []


def test_identifiers_of_a_selection(site: Site) -> None:
    for number in range(5):
        site.send(f"A{number}", "bob@example.com", "eve@example.net")
    assert sorted(site.queue.identifiers(Selection(domain="example.net"))) == [f"A{number}" for number in range(5)]


def test_fault_15_a_clock_that_is_set_back_while_a_message_comes(site: Site) -> None:
    draft = site.draft("A1", "bob@example.com")
    site.clock.now -= 500
    draft.publish()
    draft.schedule()
    assert site.due() == {"example.com": ["A1"]}


def test_a_full_queue(tmp_path: Path) -> None:
    site = Site(tmp_path, messages_max=2)
    site.keep_up()
    site.send("A1", "bob@example.com")
    assert not site.queue.is_full()
    site.send("B1", "bob@example.com")
    assert site.queue.is_full()
    site.restart(is_clean=True)
    assert site.queue.is_full()
    site.restart(is_clean=False)
    site.keep_up()
    assert site.queue.is_full()
    site.settle(site.take("example.com"), Fate.DELIVERED)
    assert not site.queue.is_full()


def test_what_comes_while_all_files_are_looked_at_is_counted_and_sent_once(site: Site) -> None:
    for number in range(450):
        site.send(f"A{number}", "bob@example.com")
    site.restart(is_clean=False)
    sent = []
    for number, _ in enumerate(site.queue.upkeep()):
        site.send(f"B{number}", "bob@example.com")
        for job in (site.take("example.com"), site.take("example.com")):
            sent.append(job.identifier)
            site.settle(job, Fate.DELIVERED)
    while job := site.queue.take("example.com", site.clock()):  # type: ignore[assignment]
        sent.append(job.identifier)
        site.settle(job, Fate.DELIVERED)
    assert len(sent) == len(set(sent)) >= 452 and os.listdir(site.root / "messages") == []


def test_what_is_in_memory_is_not_found_again(site: Site) -> None:
    for name in ("A1", "B1"):
        site.send(name, "bob@example.com")
    job = site.take("example.com")
    site.queue.jobs.note_loss()
    site.keep_up()
    assert site.queue.jobs._schedule.page(Selection(), 0, 10) == ([], None)
    assert site.due() == {"example.com": ["B1"]} and site.queue.messages == 2
    site.queue.release(job)


def test_a_settlement_that_the_disk_refuses_is_made_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.send("A1", "bob@example.com", "carol@example.com")
    job = site.take("example.com")
    attempts = [attempt(BOB, Fate.DELIVERED), attempt(CAROL, Fate.DEFERRED)]
    assert site.queue.load(job) is not None

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(site.queue.folders.files, "fsync", refuse)
        for _ in range(3):
            with pytest.raises(StorageFault):
                site.queue.settle(job, attempts, NOON)
    assert site.due() == {}, "it stays claimed"
    settlement = site.queue.settle(job, attempts, NOON)
    assert [one.address for one in settlement.final] == [BOB]
    site.clock.now += BACKOFF.retry_after
    parcel = site.queue.load(site.take("example.com"))
    assert parcel is not None and parcel.attempts == 1 and [one.address for one in parcel.waiting] == [CAROL]


def test_a_message_that_cannot_be_read_now_is_tried_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.send("A1", "bob@example.com")
    site.restart(is_clean=True)

    def refuse(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(site.queue.folders.files, "open", refuse)
        assert site.queue.load(site.take("example.com")) is None
    assert site.due() == {}
    site.clock.now += BACKOFF.retry_after
    assert site.due() == {"example.com": ["A1"]}


BOTH = ("example.com", "example.net")


def send_what_is_due(site: Site, sent: list[tuple[str, str]]) -> bool:
    """Send one job of each domain; whether there was any."""
    found = [job for domain in BOTH if (job := site.queue.take(domain, NOON))]
    for job in found:
        if site.queue.load(job) is not None:
            sent.append(job.key)
            site.queue.settle(job, site.attempts(job, Fate.DELIVERED), NOON)
    return bool(found)


def test_many_threads(site: Site) -> None:
    """Each of many messages to two domains is sent once to each, whoever does what meanwhile."""
    sent: list[tuple[str, str]] = []
    names = [f"T{number}" for number in range(120)]
    are_sent = threading.Event()

    def put(part: list[str]) -> None:
        for name in part:
            site.send(name, "bob@example.com", "eve@example.net")

    def send() -> None:
        while not are_sent.is_set():
            send_what_is_due(site, sent)

    def disturb() -> None:
        for name in names:
            site.queue.stats(NOON)
            site.queue.retry(name, NOON)
            site.queue.jobs.note_loss()
            site.keep_up()
        are_sent.set()

    work = [partial(put, names[number::3]) for number in range(3)] + [send] * 3 + [disturb]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.queue.jobs.note_loss()
    site.keep_up()
    while send_what_is_due(site, sent):
        pass
    assert sorted(sent) == sorted((name, domain) for name in names for domain in BOTH)
    assert os.listdir(site.root / "messages") == [] and site.queue.jobs.claimed == 0


def test_envelopes_with_many_recipients_are_not_kept_in_memory(site: Site) -> None:
    draft = site.queue.begin("A1", envelope(*(f"u{n}@example.com" for n in range(900))), Source.USER, "", RECEIVED)
    draft.publish()
    draft.schedule()
    assert not site.queue._open._new
    parcel = site.queue.load(site.take("example.com"))
    assert parcel is not None and len(parcel.waiting) == 900


def test_a_fault_of_ours_in_loading_claims_nothing_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.send("A1", "bob@example.com")
    job = site.take("example.com")

    def fail(*_: object) -> None:
        raise ValueError("our fault")

    with monkeypatch.context() as patched:
        patched.setattr(MessageState, "waiting", fail)
        assert site.queue.load(job) is None
    assert site.queue.jobs.claimed == 0 and site.queue._open._open == {} and site.due() == {}
    site.clock.now += BACKOFF.retry_after
    assert site.due() == {"example.com": ["A1"]}


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("number", [b"1e999", b"NaN", b"1e300", b'"1"', b"-1", b"1" * 400])
@pytest.mark.parametrize("word", [b"tries", b"age", b"due", b"at"])
def test_a_hostile_number_among_the_outcomes_costs_one_line(
    site: Site, word: bytes, number: bytes, *, is_known: bool
) -> None:
    for name, address in (("A1", "bob@example.com"), ("B1", "eve@example.net")):
        site.send(name, address)
        site.settle(site.take(address.partition("@")[2]), Fate.DEFERRED)
    said = re.sub(b'"%b": [0-9.]+' % word, b'"%b": %b' % (word, number), (site.root / "outcomes/A1.log").read_bytes())
    line = said[9:-1]
    with (site.root / "outcomes/A1.log").open("ab") as log:
        log.write(b"%08x %b\n" % (crc32(line), line))
    site.restart(is_clean=is_known)
    site.keep_up()
    site.clock.now += 100
    assert not site.queue.wants_upkeep and site.due() == {"example.com": ["A1"], "example.net": ["B1"]}


def test_an_envelope_of_another_message_is_set_aside(site: Site) -> None:
    site.send("A1", "bob@example.com")
    octets = (site.root / "messages/A1").read_bytes()
    top = read_top(octets, len(octets))
    assert top is not None
    envelope = top.envelope.replace(b'{"identifier": "A1", ', b'{"identifier": "A1", "identifier": "../../x", ')
    (site.root / "messages/A1").write_bytes(first_line(envelope, top.content) + envelope + octets[top.offset :])
    site.restart(is_clean=False)
    site.keep_up()
    assert site.due() == {} and os.listdir(site.root / "damaged") == ["A1"]


@pytest.mark.parametrize("bound", ["RECIPIENTS_MAX", "ENVELOPE_OCTETS_MAX"])
def test_an_envelope_that_would_not_be_read_again_is_not_written(
    site: Site, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"mailbox_d.queue.mail_queue.{bound}", 1)
    with pytest.raises(MailError, match="Too many recipients"):
        site.draft("A1", "bob@example.com", "carol@example.net")
