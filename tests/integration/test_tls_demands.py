"""Attack 48 over loopback: servers that hide STARTTLS or show wrong certificates are told nothing of any mail."""

from __future__ import annotations

import shutil
import tempfile
from ipaddress import ip_address
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailbox_d.ctl.self_signed import CertificateFiles
from mailbox_d.queue.message import Envelope, Parcel, Queued, Source
from mailbox_d.relay.peer.client import Client, Destination, PeerSession
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.ports import Host, PeerFailure, Route, Security, TlsState
from mailbox_d.relay.tls.handshakes import OutgoingTls
from mailbox_d.relay.tls.mta_sts import Mode, Policy
from mailbox_d.relay.tls.mta_sts_cache import FoundPolicy
from mailbox_d.relay.tls.policy import TlsPolicies, TlsRules
from mailbox_d.wire.dns.records import TLSA
from tests.integration.authority import Authority, Pair, forged, self_signed
from tests.integration.bad_peer import BadPeer, Close, Say, Script

NAME, DOMAIN = "mx.example.org", "example.org"
AUTHORITY = Authority()
RIGHT = AUTHORITY.issue(NAME)
OWN = self_signed("elsewhere.example")
PARCEL = Parcel(Queued("1", Envelope(None, ()), Source.USER, 0.0, 100), ())
ENFORCED = FoundPolicy(Policy(Mode.ENFORCE, 1000, (NAME,)))
RECORD = TLSA(*OWN.tlsa(3, 1, 1))

HIDING: dict[str, Script] = {
    "not offered": {"ehlo": Say("250-peer.example.net\r\n250 PIPELINING")},
    "no EHLO": {"ehlo": Say("502 5.5.1 What?")},
    "refused": {"starttls": Say("454 4.7.0 Not now")},
    "unknown": {"starttls": Say("500 5.5.1 What?")},
    "broken off": {"tls": Close()},
    "plain text": {"tls": Close(b"250 2.0.0 Go on without\r\n")},
}


class Published:
    def __init__(self, found: FoundPolicy) -> None:
        self.found = found

    async def of(self, domain: str) -> FoundPolicy:
        return self.found


class DemandsTest(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        tls = OutgoingTls(AUTHORITY.write(self.folder))
        self.client = Client("us.example.net", RelayLimits(), tls, reactor, lambda _: True)

    def peer(self, pair: Pair, script: Script | None = None) -> BadPeer:
        peer = BadPeer(script, certificate=CertificateFiles(*pair.write(self.folder, "peer")))
        peer.__enter__()
        self.addCleanup(peer.stop)
        return peer

    async def opened(self, peer: BadPeer, found: FoundPolicy, tlsa: tuple[TLSA, ...] = ()) -> TlsState | PeerFailure:
        """What a session came to."""
        address = ip_address(peer.address)
        host = Host(NAME, peer.port, (address,), tlsa, secure=bool(tlsa))
        policies = TlsPolicies(TlsRules(Published(found)))  # type: ignore[arg-type]
        demand = await policies.demand(Route("key", DOMAIN, (host,)), host, PARCEL)
        session = PeerSession(self.client, Destination(host, address, demand))
        try:
            await session.open()
        except PeerFailure as failure:
            return failure
        await session.close()
        return session.tls

    async def refused(self, peer: BadPeer, found: FoundPolicy, tlsa: tuple[TLSA, ...] = ()) -> PeerFailure:
        """Why a session was not opened, of which the server heard nothing but greetings."""
        outcome = await self.opened(peer, found, tlsa)
        assert isinstance(outcome, PeerFailure), outcome
        self.assertTrue(outcome.temporary)
        told = {command.split()[0] for command in peer.commands}
        self.assertLessEqual(told, {"EHLO", "HELO", "STARTTLS", "QUIT"})
        return outcome

    async def test_attack_48_hidden_starttls_defers(self) -> None:
        for script in HIDING.values():
            for found, tlsa in ((ENFORCED, ()), (FoundPolicy(), (RECORD,)), (FoundPolicy(), (TLSA(0, 0, 0, b"x"),))):
                failure = await self.refused(self.peer(RIGHT, script), found, tlsa)
                self.assertIn(failure.status, ("4.7.4", "4.7.5"))
                self.assertFalse(failure.may_be_plain)
                self.assertIn(failure.failure, ("starttls-not-supported", "validation-failure"))

    async def test_attack_48_wrong_certificates_defer(self) -> None:
        for pair, failure in (
            (AUTHORITY.issue("mx.example.net"), "certificate-host-mismatch"),
            (AUTHORITY.expired(NAME), "certificate-expired"),
            (OWN, "certificate-not-trusted"),
            (forged(AUTHORITY, NAME), "certificate-not-trusted"),
        ):
            refusal = await self.refused(self.peer(pair), ENFORCED)
            self.assertEqual((refusal.status, refusal.failure), ("4.7.5", failure))
        refusal = await self.refused(self.peer(RIGHT), ENFORCED, (RECORD,))
        self.assertEqual((refusal.status, refusal.failure), ("4.7.5", "tlsa-invalid"))

    async def test_right_certificates_are_taken(self) -> None:
        for pair, found, tlsa in ((RIGHT, ENFORCED, ()), (OWN, FoundPolicy(), (RECORD,)), (RIGHT, FoundPolicy(), ())):
            outcome = await self.opened(self.peer(pair), found, tlsa)
            assert isinstance(outcome, TlsState), outcome
            self.assertIs(outcome.security, Security.AUTHENTICATED)

    async def test_where_nothing_is_demanded_any_certificate_will_do(self) -> None:
        outcome = await self.opened(self.peer(OWN), FoundPolicy())
        assert isinstance(outcome, TlsState), outcome
        self.assertIs(outcome.security, Security.ENCRYPTED)
