"""Our client over loopback, with servers that do right and with such as fail in every stage (faults 27 and 28)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from mailbox_d.ctl.self_signed import CertificateFiles, make_certificate
from mailbox_d.relay.peer.client import Client, Destination, PeerSession
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.ports import Handed, Host, Login, PeerFailure, Security, Shipment, TlsDemand
from mailbox_d.relay.tls.handshakes import OutgoingTls
from tests.dialogues.peer_client import MemoryContent, shipment
from tests.integration.bad_peer import (
    ENDLESS_LINE,
    BadPeer,
    Close,
    DeafPeer,
    Endless,
    Hang,
    Late,
    Reset,
    Say,
    Script,
    Slowly,
)

BIG = b"Subject: big\r\n\r\n" + (b"." + b"x" * 70 + b"\r\n") * 60_000
"""More than sockets' buffers take."""

HASTY = RelayLimits(greeting=0.5, command=0.5, data=0.5, end=0.5, handshake=0.5, farewell=0.5)
"""How long servers that hang are waited for. A slow machine may make good ones late too."""

STAGES = {
    "connect": "greeting",
    "greeting": "greeting",
    "ehlo": "hello",
    "starttls": "tls",
    "tls": "tls",
    "hello-inside-tls": "hello",
    "mail": "mail",
    "rcpt": "rcpt",
    "data": "data",
    "end": "end",
}
"""Where the server fails, and what stage our client is at."""

ORDER = list(dict.fromkeys(["connect", *STAGES.values(), "body"]))


class RelayClientTest(TestCase):
    timeout = 120

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.files: CertificateFiles = make_certificate(Path(folder.name), ("localhost",))

    def peer(self, script: Script | None = None, **settings: Any) -> BadPeer:
        peer = BadPeer(script, **settings)
        peer.__enter__()
        self.addCleanup(peer.stop)
        return peer

    def session(
        self,
        peer: BadPeer | DeafPeer,
        limits: RelayLimits = RelayLimits(),  # noqa: B008 - a value
        least: Security = Security.PLAIN,
        name: str = "localhost",
        **how: Any,
    ) -> PeerSession:
        tls = OutgoingTls(self.files.certificate)
        client = Client("client.example.org", limits, tls, reactor, lambda address: address.is_loopback)
        address = ip_address(peer.address)
        destination = Destination(Host(name, peer.port, (address,)), address, TlsDemand(least))
        session = PeerSession(client, replace(destination, **how))
        gone: Deferred[None] = Deferred()
        session.when_gone = lambda: gone.callback(None)
        self.gone = gone
        return session

    async def hand_over(self, session: PeerSession, *shipments: Shipment) -> list[tuple[Handed, ...]]:
        """Open, send, leave."""
        await session.open()
        handed = [await session.send(one) for one in shipments]
        await session.close()
        return handed

    async def failure(self, session: PeerSession, *shipments: Shipment) -> PeerFailure:
        try:
            handed = await self.hand_over(session, *shipments)
        except PeerFailure as failure:
            return failure
        raise AssertionError(f"no failure, but {handed}")

    def assert_taken(self, handed: Sequence[tuple[Handed, ...]]) -> None:
        self.assertTrue(all(one.taken for message in handed for one in message), handed)

    # -- good servers -------------------------------------------------------------------------------------------

    async def test_messages_over_one_connection(self) -> None:
        peer = self.peer()
        messages = [shipment(["b@example.net", "c@example.net"]), shipment(body=BIG), shipment(body=b".", sender=None)]
        self.assert_taken(await self.hand_over(self.session(peer), *messages))
        self.assertEqual(
            [taken.octets for taken in peer.messages], [b"Subject: dots\r\n\r\n.\r\nend\r\n", BIG, b".\r\n"]
        )
        self.assertEqual(peer.messages[0].recipients, ("b@example.net", "c@example.net"))
        self.assertEqual((peer.connections, peer.faults, peer.commands[-1]), (1, [], "QUIT"))

    async def test_a_server_without_extensions(self) -> None:
        peer = self.peer(extensions=())
        self.assert_taken(await self.hand_over(self.session(peer), shipment(), shipment()))
        self.assertEqual([taken.parameters for taken in peer.messages], ["", ""])

    async def test_starttls(self) -> None:
        for least, name in (
            (Security.PLAIN, "localhost"),
            (Security.AUTHENTICATED, "localhost"),
            (Security.ENCRYPTED, "other"),
        ):
            peer = self.peer(certificate=self.files)
            session = self.session(peer, least=least, name=name)
            self.assert_taken(await self.hand_over(session, shipment(body=BIG), shipment()))
            self.assertEqual([taken.tls for taken in peer.messages], ["TLSv1.3", "TLSv1.3"])
            self.assertEqual(peer.messages[0].octets, BIG)
            right = Security.AUTHENTICATED if name == "localhost" else Security.ENCRYPTED
            self.assertEqual(session.tls.security, right)
            self.assertIn("TLSv1.3", session.tls.version)

    async def test_implicit_tls_and_a_login(self) -> None:
        words = ("AUTH PLAIN LOGIN",)
        for mechanisms in (words, ("AUTH LOGIN",)):
            peer = self.peer(certificate=self.files, implicit_tls=True, tls_extensions=mechanisms)
            session = self.session(
                peer, least=Security.AUTHENTICATED, implicit_tls=True, login=Login("alice", "geheim ü")
            )
            self.assert_taken(await self.hand_over(session, shipment()))
            self.assertEqual(peer.messages[0].login, ("alice", "geheim ü"))

    async def test_a_certificate_that_is_not_right_gets_no_mail(self) -> None:
        peer = self.peer(certificate=self.files)
        failure = await self.failure(self.session(peer, least=Security.AUTHENTICATED, name="other"), shipment())
        self.assertEqual(
            (failure.stage, failure.status, failure.failure), ("tls", "4.7.5", "certificate-host-mismatch")
        )
        self.assertEqual(peer.times("mail"), 0)
        self.assertEqual(peer.commands[-1], "QUIT")

    async def test_plain_text_where_tls_comes_to_nothing_and_none_is_demanded(self) -> None:
        peer = self.peer({"tls": [Say("500 no TLS here")]}, certificate=self.files)
        session = self.session(peer)
        failure = await self.failure(session, shipment())
        self.assertTrue(failure.may_be_plain)
        again = self.session(peer, without_tls=True)
        self.assert_taken(await self.hand_over(again, shipment()))
        self.assertEqual(peer.messages[0].tls, "")

    async def test_attack_45_plain_text_behind_the_go_ahead(self) -> None:
        script = {"starttls": Say(b"220 Go\r\n250-evil\r\n250 AUTH PLAIN\r\n")}
        peer = self.peer(script, certificate=self.files)
        failure = await self.failure(self.session(peer, least=Security.ENCRYPTED, login=Login("a", "b")), shipment())
        self.assertEqual((failure.stage, failure.failure), ("tls", "validation-failure"))
        await self.gone
        self.assertEqual(peer.times("auth"), 0)

    async def test_a_late_acknowledgement_is_waited_for(self) -> None:
        peer = self.peer({"end": Late(0.2)})
        self.assert_taken(await self.hand_over(self.session(peer), shipment()))

    async def test_an_address_that_is_not_allowed(self) -> None:
        peer = self.peer()
        session = self.session(peer)
        session = PeerSession(replace(session._client, is_allowed=lambda address: False), session.destination)
        failure = await self.failure(session, shipment())
        self.assertEqual((failure.stage, peer.connections), ("connect", 0))

    # -- bad servers --------------------------------------------------------------------------------------------

    async def test_fault_27_a_server_hangs(self) -> None:
        for stage, at in STAGES.items():
            peer = self.peer({stage: Hang()}, certificate=self.files)
            failure = await self.failure(self.session(peer, HASTY), shipment())
            await self.gone
            self.assertLessEqual(ORDER.index(failure.stage), ORDER.index(at), stage)
            self.assertTrue(failure.temporary)
            self.assertEqual(failure.may_have_it, failure.stage == "end")
            peer.wait_until_left()

    async def test_fault_27_a_server_takes_no_connection(self) -> None:
        with DeafPeer() as peer:
            failure = await self.failure(self.session(peer, RelayLimits(connect=0.3)), shipment())
        self.assertEqual((failure.stage, failure.status), ("connect", "4.4.1"))

    async def test_fault_27_a_server_stops_reading_in_the_middle(self) -> None:
        for certificate in (None, self.files):
            peer = self.peer({"body": Hang()}, receive_buffer=4096, certificate=certificate)
            failure = await self.failure(self.session(peer, RelayLimits(data=0.3)), shipment(body=BIG))
            await self.gone
            self.assertEqual((failure.stage, failure.status, failure.may_have_it), ("body", "4.4.2", False))
            peer.wait_until_left()

    async def test_a_server_that_reads_slowly_gets_it_all(self) -> None:
        for certificate in (None, self.files):
            peer = self.peer({"body": Slowly(100_000, 0.001)}, receive_buffer=4096, certificate=certificate)
            self.assert_taken(await self.hand_over(self.session(peer), shipment(body=BIG)))
            self.assertEqual(peer.messages[0].octets, BIG)

    async def test_fault_27_a_server_hangs_at_quit(self) -> None:
        peer = self.peer({"quit": Hang()})
        self.assert_taken(await self.hand_over(self.session(peer, RelayLimits(farewell=0.3)), shipment()))
        await self.gone
        peer.wait_until_left()

    async def test_fault_27_a_server_keeps_tls_open(self) -> None:
        """After QUIT, TLS waits for the other side's farewell, which never comes."""
        peer = self.peer({"quit": Say(b"221-")}, certificate=self.files)
        self.assert_taken(await self.hand_over(self.session(peer, RelayLimits(farewell=0.3)), shipment()))
        await self.gone

    async def test_fault_28_a_server_closes(self) -> None:
        for stage, at in {**STAGES, "body": "body"}.items():
            peer = self.peer({stage: Close()}, certificate=self.files)
            failure = await self.failure(self.session(peer), shipment(body=BIG))
            await self.gone
            self.assertEqual((stage, failure.stage, failure.temporary), (stage, at, True))
            self.assertEqual(failure.may_have_it, stage == "end")
            self.assertEqual(peer.messages, [])

    async def test_fault_28_a_server_resets(self) -> None:
        """What it said before it reset the connection may be lost, so that the client is at an earlier stage."""
        for stage, at in {**STAGES, "body": "body"}.items():
            peer = self.peer({stage: Reset()}, certificate=self.files)
            failure = await self.failure(self.session(peer), shipment(body=BIG))
            if failure.stage != "connect":
                await self.gone
            self.assertLessEqual(ORDER.index(failure.stage), ORDER.index(at), stage)
            self.assertTrue(failure.temporary)
            self.assertEqual(failure.may_have_it, stage == "end")
            self.assertEqual(peer.messages, [])

    async def test_fault_28_a_server_is_gone_after_a_message(self) -> None:
        """Nobody has the message that was not sent."""
        for act in (Reset(), Close(b"421 4.4.2 Bye\r\n")):
            peer = self.peer({"mail": [None, act]})
            session = self.session(peer)
            failure = await self.failure(session, shipment(), shipment())
            self.assertEqual((failure.stage, failure.may_have_it, failure.temporary), ("mail", False, True))
            self.assertEqual(len(peer.messages), 1)

    async def test_attack_118_a_server_talks_without_end(self) -> None:
        for act in (Endless(), ENDLESS_LINE, Say("999 Ha"), Say(b"\0\0\0\n")):
            for stage, at in STAGES.items():
                if stage not in ("connect", "tls"):
                    peer = self.peer({stage: act}, certificate=self.files)
                    failure = await self.failure(self.session(peer), shipment())
                    await self.gone
                    self.assertEqual((stage, failure.stage, failure.status[0]), (stage, at, "4"))

    async def test_a_server_loses_what_was_piped(self) -> None:
        peer = self.peer(drops_pipelined=True)
        failure = await self.failure(self.session(peer, HASTY), shipment())
        self.assertLessEqual(ORDER.index(failure.stage), ORDER.index("rcpt"))
        self.assertEqual(peer.messages, [])

    async def test_a_server_refuses_in_the_middle(self) -> None:
        peer = self.peer({"body": Close(b"552 5.3.4 Too big\r\n")})
        session = self.session(peer)
        await session.open()
        try:
            [[handed]] = [await session.send(shipment(body=BIG))]
            self.assertEqual((handed.reply.code, handed.taken), (552, False))
        except PeerFailure as failure:  # the kernel may tell of the reset before it hands the reply over
            self.assertEqual((failure.stage, failure.may_have_it), ("body", False))
        self.assertFalse(session.is_usable)

    async def test_content_that_ends_early_leaves_no_message(self) -> None:
        peer = self.peer()
        failure = await self.failure(self.session(peer), shipment(body=MemoryContent(BIG, lacks=100_000)))
        await self.gone
        self.assertEqual((failure.stage, failure.status), ("body", "4.3.0"))
        peer.wait_until_left()
        self.assertEqual(peer.messages, [])
