"""LMTP on the unix socket, by Python's client: one reply for each recipient (RFC 2033)."""

from __future__ import annotations

import smtplib

import pytest

from tests.integration.daemon import Daemon
from tests.integration.mail import ALL_MAIL, Mail
from tests.integration.reading import assert_arrived, newest
from tests.integration.sending import envelope_options
from tests.integration.site import ALICE, BOB


@pytest.mark.parametrize("mail", ALL_MAIL, ids=str)
def test_lmtp_delivers_every_kind_of_mail(daemon: Daemon, mail: Mail) -> None:
    with smtplib.LMTP(str(daemon.site.lmtp_socket)) as client:
        assert client.sendmail("stranger@example.com", [BOB], mail.octets, envelope_options(mail)) == {}
    assert_arrived(newest(daemon.site), mail.octets)


def test_lmtp_replies_once_per_recipient(daemon: Daemon) -> None:
    with smtplib.LMTP(str(daemon.site.lmtp_socket)) as client:
        client.ehlo_or_helo_if_needed()
        client.mail("stranger@example.com")
        assert [client.rcpt(address)[0] for address in (ALICE, "nobody@example.org", BOB)] == [250, 550, 250]
        replies = [client.data(ALL_MAIL[0].octets), client.getreply()]
        assert [code for code, _ in replies] == [250, 250]
    assert_arrived(newest(daemon.site, ALICE), ALL_MAIL[0].octets)
    assert_arrived(newest(daemon.site, BOB), ALL_MAIL[0].octets)
