"""Mail to other sites, from the user's submission to another server, or back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bad_peer import BadPeer, Close, Say
from tests.integration.outgoing import ELSEWHERE, OTHER, OutgoingSite, outgoing_site
from tests.integration.site import ALICE, BOB


@pytest.fixture
def outgoing(tmp_path: Path) -> Iterator[OutgoingSite]:
    with outgoing_site(tmp_path) as site:
        site.daemon.start()
        yield site


def test_a_message_goes_to_the_server_that_mx_names(outgoing: OutgoingSite) -> None:
    with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
        outgoing.send("carol@elsewhere.example", text="Across")
        (taken,) = peer.wait_for_messages(1)
    assert taken.sender == ALICE
    assert taken.recipients == ("carol@elsewhere.example",)
    assert b"\r\nSubject: Outward\r\n\r\nAcross\r\n" in taken.octets
    added, _, rest = taken.octets.partition(b"Received: from ")
    assert [line.partition(b":")[0] for line in added.splitlines()] == [b"Message-ID", b"Date"]
    assert rest.count(b"Received: ") == 0
    outgoing.wait_until_empty()


def test_what_a_server_refuses_comes_back_to_its_sender(outgoing: OutgoingSite) -> None:
    with BadPeer({"rcpt": Say("550 5.1.1 No carol here")}, address=ELSEWHERE, port=outgoing.port):
        outgoing.send("carol@elsewhere.example")
        (report,) = outgoing.wait_for_mail()
    assert report.get_content_type() == "multipart/report"
    assert report["Return-Path"] == "<>"
    status = report.get_payload()[1].as_string()
    assert "Action: failed" in status
    assert "Status: 5.1.1" in status
    assert "No carol here" in status
    outgoing.wait_until_empty()


def test_what_a_server_refuses_for_now_is_tried_again(outgoing: OutgoingSite) -> None:
    with BadPeer({"rcpt": [Say("450 4.2.0 Not now")]}, address=ELSEWHERE, port=outgoing.port) as peer:
        outgoing.send("carol@elsewhere.example")
        peer.wait_for_messages(1)
    outgoing.wait_until_empty()
    assert outgoing.site.message_files(ALICE) == []


def test_a_restart_forgets_nothing(outgoing: OutgoingSite) -> None:
    for number in range(5):
        outgoing.send("carol@elsewhere.example", text=f"Number {number}")
    outgoing.daemon.restart()
    assert len(outgoing.queued) == 5
    with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
        taken = peer.wait_for_messages(5)
        outgoing.wait_until_empty()
    assert sorted(message.octets[-10:] for message in taken) == [b"Number %d\r\n" % number for number in range(5)]


def test_one_message_to_users_here_and_elsewhere(outgoing: OutgoingSite) -> None:
    with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
        outgoing.send("carol@elsewhere.example", BOB, "erin@elsewhere.example")
        (taken,) = peer.wait_for_messages(1)
        outgoing.wait_until_empty()
    assert taken.recipients == ("carol@elsewhere.example", "erin@elsewhere.example")
    assert len(outgoing.wait_for_mail(BOB)) == 1


def test_a_domain_whose_server_is_dead_keeps_no_other_waiting(outgoing: OutgoingSite) -> None:
    with BadPeer({"greeting": Close()}, address=OTHER, port=outgoing.port):
        for _ in range(20):
            outgoing.send("dave@other.example")
        with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
            outgoing.send("carol@elsewhere.example")
            peer.wait_for_messages(1)
            outgoing.wait_until_queued(20)


def test_mail_for_an_alias_that_points_outside_is_forwarded_and_its_report_finds_the_sender(tmp_path: Path) -> None:
    aliases = "  away@example.org: dave@other.example\n"
    with outgoing_site(tmp_path, aliases=aliases) as outgoing:
        outgoing.daemon.start()
        with BadPeer(address=OTHER, port=outgoing.port) as peer, BadPeer(address=ELSEWHERE, port=outgoing.port) as home:
            outgoing.receive("away@example.org", sender="carol@elsewhere.example")
            (taken,) = peer.wait_for_messages(1)
            assert taken.recipients == ("dave@other.example",)
            assert taken.sender.startswith("SRS0=")
            assert taken.sender.endswith("@example.org")
            assert b"Delivered-To: away@example.org\r\n" in taken.octets
            outgoing.receive(taken.sender, sender="", octets=b"From: <>\r\nSubject: It came back\r\n\r\n")
            (report,) = home.wait_for_messages(1)
            assert report.recipients == ("carol@elsewhere.example",)
            assert report.sender == ""


def test_a_report_of_success_is_sent_where_it_is_wanted(outgoing: OutgoingSite) -> None:
    extensions = ("PIPELINING", "8BITMIME")
    with BadPeer(address=ELSEWHERE, port=outgoing.port, extensions=extensions):
        outgoing.send("carol@elsewhere.example", rcpt_options=("NOTIFY=SUCCESS,FAILURE",))
        (report,) = outgoing.wait_for_mail()
    assert "Action: relayed" in report.get_payload()[1].as_string()


def test_a_user_elsewhere_is_told_nothing_of_users_here(outgoing: OutgoingSite) -> None:
    """What is for bob is delivered here, whatever DNS says of his domain."""
    outgoing.dns.records.add("example.net MX 10 mx.elsewhere.example")
    outgoing.send(BOB)
    outgoing.wait_for_mail(BOB)
    assert outgoing.queued == []


def test_a_report_of_success_is_sent_for_a_user_here_too(outgoing: OutgoingSite) -> None:
    outgoing.send(BOB, rcpt_options=("NOTIFY=SUCCESS,FAILURE",))
    assert len(outgoing.wait_for_mail(BOB)) == 1
    (report,) = outgoing.wait_for_mail(ALICE)
    assert "Action: delivered" in report.get_payload()[1].as_string()
    outgoing.wait_until_empty()
    assert len(outgoing.site.message_files(BOB)) == 1
