"""Mail that goes on to other sites: whose it is, that it comes to an end, and what it is made for servers of 7 bits."""

from __future__ import annotations

import email
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bad_peer import BadPeer, Say
from tests.integration.outgoing import ELSEWHERE, OTHER, OutgoingSite, outgoing_site
from tests.integration.site import ALICE

ALIASES = """\
  away@example.org: dave@other.example
  all@example.org: [alice@example.org, dave@other.example, carol@elsewhere.example]
"""
SEVEN_BITS = ("PIPELINING",)


@pytest.fixture
def outgoing(tmp_path: Path) -> Iterator[OutgoingSite]:
    with outgoing_site(tmp_path, aliases=ALIASES) as site:
        site.daemon.start()
        yield site


def test_attack_120_mail_that_comes_back_to_who_forwarded_it_is_refused(outgoing: OutgoingSite) -> None:
    with BadPeer(address=OTHER, port=outgoing.port) as peer:
        outgoing.receive("away@example.org", sender="carol@elsewhere.example")
        (taken,) = peer.wait_for_messages(1)
    with pytest.raises(smtplib.SMTPDataError) as caught:
        outgoing.receive("away@example.org", sender="carol@elsewhere.example", octets=taken.octets)
    assert caught.value.smtp_code == 554
    assert caught.value.smtp_error.startswith(b"5.4.6 ")
    outgoing.wait_until_empty()


def test_one_address_leads_to_a_mailbox_and_to_two_sites(outgoing: OutgoingSite) -> None:
    with BadPeer(address=OTHER, port=outgoing.port) as other, BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
        outgoing.receive("all@example.org")
        (to_dave,) = other.wait_for_messages(1)
        (to_carol,) = peer.wait_for_messages(1)
    assert (to_dave.recipients, to_carol.recipients) == (("dave@other.example",), ("carol@elsewhere.example",))
    assert to_dave.sender == to_carol.sender
    assert len(outgoing.wait_for_mail(ALICE)) == 1
    outgoing.wait_until_empty()


def test_a_report_that_cannot_be_forwarded_ends_there(outgoing: OutgoingSite) -> None:
    with BadPeer({"rcpt": Say("550 5.1.1 No dave here")}, address=OTHER, port=outgoing.port):
        outgoing.receive("away@example.org", sender="", octets=b"From: <>\r\nSubject: A report\r\n\r\n")
        outgoing.wait_until_empty()


def test_what_a_user_writes_to_an_alias_goes_in_their_name(outgoing: OutgoingSite) -> None:
    with BadPeer(address=OTHER, port=outgoing.port) as peer:
        outgoing.send("away@example.org")
        (taken,) = peer.wait_for_messages(1)
    assert taken.sender == ALICE


def test_a_server_of_seven_bits_is_sent_what_it_takes(outgoing: OutgoingSite) -> None:
    with BadPeer(address=ELSEWHERE, port=outgoing.port, extensions=SEVEN_BITS) as peer:
        outgoing.send("carol@elsewhere.example", text="Grüße an alle, die das lesen", mail_options=("BODY=8BITMIME",))
        (taken,) = peer.wait_for_messages(1)
    assert taken.octets.isascii()
    message = email.message_from_bytes(taken.octets)
    assert message["Content-Transfer-Encoding"] == "quoted-printable"
    assert message.get_payload(decode=True) == "Grüße an alle, die das lesen\r\n".encode()
    outgoing.wait_until_empty()


def test_what_cannot_be_converted_comes_back(outgoing: OutgoingSite) -> None:
    with BadPeer(address=ELSEWHERE, port=outgoing.port, extensions=SEVEN_BITS) as peer:
        outgoing.send("carol@elsewhere.example", subject="Grüße")
        (report,) = outgoing.wait_for_mail(ALICE)
        assert peer.messages == []
    status = report.get_payload()[1].as_string()
    assert "Status: 5.6.7" in status
    outgoing.wait_until_empty()
