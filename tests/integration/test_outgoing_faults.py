"""Outgoing mail while servers elsewhere misbehave, the daemon is stopped, or its configuration changes.

What fails for now stays in the queue, nobody is told of it, other domains do not wait for it, and in the end everything
is taken: once, unless a server had it and did not say so.
"""

from __future__ import annotations

import random
import re
import signal
import smtplib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mailbox_d.ctl.self_signed import make_certificate
from tests.integration.bad_peer import Act, BadPeer, Close, DeafPeer, Hang, Late, Reset, Say
from tests.integration.outgoing import ELSEWHERE, OTHER, OutgoingSite, outgoing_site
from tests.integration.sending import submission
from tests.integration.site import ALICE, BOB
from tests.integration.test_queue_command import SLOW, done, wait_for_log

HASTY = """\
  relay_connect_timeout: 2 s
  relay_greeting_timeout: 2 s
  relay_command_timeout: 2 s
  relay_data_timeout: 2 s
  relay_end_timeout: 2 s
  tls_handshake_timeout: 10 s
  queue_connections: 8
"""
STAGES = ("connect", "greeting", "ehlo", "starttls", "hello-inside-tls", "mail", "rcpt", "data", "body", "end")
PLAIN_AFTER = ("tls", "quit")
"""Where a server may fail without the mail failing: without TLS there is another try, after 250 there is none."""

CAROL, DAVE = "carol@elsewhere.example", "dave@other.example"
ACTS: dict[str, Act] = {"hangs": Hang(), "resets": Reset(), "closes": Close(), "goes": Close(b"421 4.3.2 Closing\r\n")}


def domain_of(stage: str) -> str:
    return f"{stage}.example"


def address_of(stage: str) -> str:
    return f"127.0.0.{20 + (*STAGES, *PLAIN_AFTER, 'deaf').index(stage)}"


def records() -> str:
    names = "".join(f"{domain_of(stage)} A {address_of(stage)}\n" for stage in (*STAGES, *PLAIN_AFTER, "deaf"))
    return f"{names}elsewhere.example A {ELSEWHERE}\n"


@contextmanager
def peers(outgoing: OutgoingSite, act: Act) -> Iterator[dict[str, BadPeer]]:
    """One that fails in each stage."""
    files = make_certificate(outgoing.site.folder / "tls-elsewhere", ("localhost",))
    with ExitStack() as stack:
        yield {
            stage: stack.enter_context(
                BadPeer({stage: act}, address=address_of(stage), port=outgoing.port, certificate=files)
            )
            for stage in (*STAGES, *PLAIN_AFTER)
        }


@pytest.mark.parametrize("how", ACTS)
def test_faults_27_and_28_a_server_that_fails_in_any_stage_keeps_nobody_waiting_and_loses_nothing(
    tmp_path: Path, how: str
) -> None:
    with (
        outgoing_site(tmp_path, records=records(), settings=SLOW, limits=HASTY) as outgoing,
        DeafPeer(address=address_of("deaf"), port=outgoing.port),
        peers(outgoing, ACTS[how]) as bad,
        BadPeer(address=ELSEWHERE, port=outgoing.port) as good,
    ):
        outgoing.daemon.start()
        outgoing.send(*(f"carol@{domain_of(stage)}" for stage in bad), "carol@deaf.example")
        outgoing.send(CAROL)
        good.wait_for_messages(1)
        for stage in (*STAGES, "deaf"):
            wait_for_log(outgoing, f"to <carol@{domain_of(stage)}>: deferred")
        for stage in PLAIN_AFTER:
            bad[stage].wait_for_messages(1)
        for stage, peer in bad.items():
            assert len(peer.messages) == (stage in PLAIN_AFTER), stage
            peer.script.clear()
        outgoing.send(CAROL)
        good.wait_for_messages(2)
        outgoing.wait_until_queued(1)
        assert outgoing.site.message_files(ALICE) == []
        done(outgoing, "retry", "--all")
        for stage, peer in bad.items():
            (taken,) = peer.wait_for_messages(1)
            assert taken.recipients == (f"carol@{domain_of(stage)}",)
            peer.wait_until_left()
        assert outgoing.daemon.faults_logged() == []


def test_fault_29_a_server_that_was_away_gets_all_that_waits_over_a_few_connections(tmp_path: Path) -> None:
    with outgoing_site(tmp_path) as outgoing:
        outgoing.daemon.start()
        with submission(outgoing.site, implicit=True) as client:
            for number in range(300):
                assert client.sendmail(ALICE, [CAROL], f"Subject: {number}\r\n\r\nHello\r\n".encode()) == {}
        outgoing.wait_until_queued(300)
        with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
            done(outgoing, "retry", "--all")
            subjects = Counter(_subject(taken.octets) for taken in peer.wait_for_messages(300, 120.0))
            outgoing.wait_until_empty()
        assert subjects == Counter(str(number) for number in range(300))
        assert peer.most_at_once <= 5
        assert peer.connections <= 100


def _subject(octets: bytes) -> str:
    found = re.search(rb"^Subject: (.*)\r$", octets, re.MULTILINE)
    assert found is not None
    return found[1].decode()


@pytest.mark.parametrize("times", [1, 2])
def test_fault_38_sigterm_while_mail_is_sent_ends_the_daemon_and_sends_nothing_twice(
    tmp_path: Path, times: int
) -> None:
    chance = random.Random(38)
    with (
        outgoing_site(tmp_path) as outgoing,
        BadPeer({"end": [Late(0.02)] * 60}, address=ELSEWHERE, port=outgoing.port) as peer,
    ):
        for turn in range(3):
            outgoing.daemon.start()
            for number in range(20):
                outgoing.send(CAROL, subject=f"{turn}.{number}")
            peer.wait_for_messages(turn * 20 + chance.randint(1, 15))
            for _ in range(times):
                outgoing.daemon.send(signal.SIGTERM)
            assert outgoing.daemon.stop() in (0, -signal.SIGTERM)
        outgoing.daemon.start()
        outgoing.wait_until_empty()
    assert Counter(_subject(taken.octets) for taken in peer.messages) == Counter(
        f"{turn}.{number}" for turn in range(3) for number in range(20)
    )
    assert outgoing.daemon.faults_logged() == []


def test_fault_38_a_server_that_hangs_does_not_keep_the_daemon_from_ending(tmp_path: Path) -> None:
    """It would be waited for, for ten minutes; the daemon's end is waited for, for half of one."""
    with outgoing_site(tmp_path) as outgoing:
        outgoing.daemon.start()
        with BadPeer({"end": Hang()}, address=ELSEWHERE, port=outgoing.port) as peer:
            outgoing.send(CAROL)
            peer.wait_for(lambda: bool(peer.read))
            assert outgoing.daemon.stop() in (0, -signal.SIGTERM)
        assert outgoing.daemon.faults_logged() == []
        assert "deferred" not in outgoing.daemon.log_text()  # nothing became of it, and it is due at once
        outgoing.daemon.start()
        with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
            peer.wait_for_messages(1)
            outgoing.wait_until_empty()


def test_fault_38_what_waits_behind_a_message_that_is_broken_off_is_not_begun(tmp_path: Path) -> None:
    """The first server defers each of them, at the second one it hangs."""
    exchangers = f"elsewhere.example MX 10 a.example\nelsewhere.example MX 20 b.example\na.example A {ELSEWHERE}\n"
    with (
        outgoing_site(tmp_path, records=f"{exchangers}b.example A {OTHER}\n") as outgoing,
        BadPeer({"rcpt": Say("450 4.2.0 Not now")}, address=ELSEWHERE, port=outgoing.port),
        BadPeer({"mail": Hang()}, address=OTHER, port=outgoing.port) as hanging,
    ):
        outgoing.daemon.start()
        for number in range(8):
            outgoing.send(CAROL, subject=str(number))
        hanging.wait_for(lambda: hanging.connections == 5)
        assert outgoing.daemon.stop() in (0, -signal.SIGTERM)
        assert outgoing.daemon.faults_logged() == []
        assert (outgoing.site.folder / "state/queue/schedule.clean").exists()
        assert len(outgoing.queued) == 8


@pytest.mark.parametrize("act", [Close(), Reset(), Hang(), Say(b"")], ids=["closes", "resets", "hangs", "silent"])
def test_attack_119_a_server_that_may_have_a_message_is_sent_the_same_one_again(tmp_path: Path, act: Act) -> None:
    with (
        outgoing_site(tmp_path, limits=HASTY) as outgoing,
        BadPeer({"end": [act]}, address=ELSEWHERE, port=outgoing.port) as peer,
    ):
        outgoing.daemon.start()
        outgoing.send(CAROL, text="The same")
        peer.wait_for(lambda: len(peer.read) >= 2)
        outgoing.wait_until_empty()
    assert len(peer.read) == 2
    assert peer.read[0] == peer.read[1]
    assert outgoing.site.message_files(ALICE) == []


def test_what_is_not_sent_by_configuration_is_sent_when_it_is(tmp_path: Path) -> None:
    with outgoing_site(tmp_path, settings="  send: false\n") as outgoing:
        outgoing.daemon.start()
        with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
            outgoing.send(CAROL)
            wait_for_log(outgoing, f"to <{CAROL}>: deferred")
            assert peer.connections == 0
            (outcomes,) = (outgoing.site.folder / "state/queue/outcomes").iterdir()
            assert '"tries": 0, "age": 0.0,' in outcomes.read_text()
            change(outgoing, "  send: false\n", "  send: true\n")
            peer.wait_for_messages(1)
            outgoing.wait_until_empty()
        outgoing.daemon.stop()
        assert (outgoing.site.folder / "state/known-domains").read_text() == CAROL.partition("@")[2] + "\n"


def change(outgoing: OutgoingSite, old: str, new: str) -> None:
    """Restart the daemon with another configuration."""
    path = outgoing.site.configuration
    text = path.read_text()
    assert text.count(old) == 1, text
    path.write_text(text.replace(old, new))
    outgoing.daemon.restart()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[OutgoingSite]:
    """A message for carol waits."""
    with outgoing_site(tmp_path) as outgoing:
        outgoing.daemon.start()
        outgoing.send(CAROL)
        wait_for_log(outgoing, f"to <{CAROL}>: deferred")
        yield outgoing


def test_what_waits_takes_a_route_that_was_added(waiting: OutgoingSite) -> None:
    relay = f"{{host: mx.other.example, port: {waiting.port}, tls: optional}}"
    route = f"  routes:\n    - {{domains: [elsewhere.example], relay: {relay}}}\n"
    change(waiting, "\nqueue:\n", f"\nqueue:\n{route}")
    with BadPeer(address=ELSEWHERE, port=waiting.port) as old, BadPeer(address=OTHER, port=waiting.port) as new:
        done(waiting, "retry", "--all")
        new.wait_for_messages(1)
        waiting.wait_until_empty()
    assert old.connections == 0


def test_what_waits_stays_here_when_its_domain_has_become_ours(waiting: OutgoingSite) -> None:
    ours = "\n  elsewhere.example: {realm: staff, catch_all: bob@example.net}\n"
    with BadPeer(address=ELSEWHERE, port=waiting.port) as peer:
        peer.script["greeting"] = Close()
        change(waiting, "\n  example.org: {realm: staff}\n", "\n  example.org: {realm: staff}" + ours)
        connections = peer.connections
        (kept,) = waiting.wait_for_mail(BOB)
        waiting.wait_until_empty()
    assert peer.connections == connections
    assert kept["Subject"] == "Outward"


def test_what_waits_goes_nowhere_when_its_address_is_not_allowed_any_more(waiting: OutgoingSite) -> None:
    change(waiting, "  allowed_addresses: [127.0.0.0/8]\n", "  allowed_addresses: []\n")
    with BadPeer(address=ELSEWHERE, port=waiting.port) as peer:
        (report,) = waiting.wait_for_mail()
        waiting.wait_until_empty()
    assert "Status: 5.4.4" in report.as_string()
    assert peer.connections == 0


HALVES = [", ".join(f"u{number}@{half}.example" for number in range(501)) for half in ("first", "second")]
ALIASES = f"""\
  away@example.org: {DAVE}
  first@example.org: [{HALVES[0]}]
  second@example.org: [{HALVES[1]}]
  many@example.org: [first@example.org, second@example.org]
"""


def test_attack_120_nothing_comes_of_reports_that_nobody_can_have(tmp_path: Path) -> None:
    """From nobody to nobody; from a sender whose domain is not there; and to an alias that leads to a refusal."""
    with outgoing_site(tmp_path, aliases=ALIASES) as outgoing:
        outgoing.daemon.start()
        with BadPeer({"rcpt": Say("550 5.1.1 No dave here")}, address=OTHER, port=outgoing.port) as peer:
            for sender in ("", "mallory@nowhere.example", "mallory@other.example"):
                outgoing.receive("away@example.org", sender=sender)
                with pytest.raises(smtplib.SMTPRecipientsRefused):
                    outgoing.receive("nobody@example.org", sender=sender)
            peer.wait_for(lambda: sum(command.startswith("RCPT") for command in peer.commands) >= 4)
            outgoing.wait_until_empty()
        told = [command for command in peer.commands if command.startswith("RCPT")]
        assert Counter(command.partition(">")[0] for command in told) == {
            f"RCPT TO:<{DAVE}": 3,
            "RCPT TO:<mallory@other.example": 1,
        }
        assert peer.messages == []
        assert outgoing.site.message_files(ALICE) + outgoing.site.message_files(BOB) == []
        assert outgoing.daemon.faults_logged() == []


def test_attack_120_an_address_that_leads_to_a_thousand_others_takes_nothing(tmp_path: Path) -> None:
    with outgoing_site(tmp_path, aliases=ALIASES) as outgoing:
        outgoing.daemon.start()
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            outgoing.receive("many@example.org")
        assert caught.value.recipients["many@example.org"][0] == 451
        assert outgoing.queued == []
