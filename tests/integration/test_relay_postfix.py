"""Our client with a real Postfix: STARTTLS, PIPELINING, DSN, logins that are refused; what arrives is what was sent."""

from __future__ import annotations

import os
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor, task
from twisted.trial.unittest import TestCase

from bench.servers import DOMAIN, PASSWORD, USERS, Postfix
from mailbox_d.queue.message import Return
from mailbox_d.relay.peer.client import Client, Destination, PeerSession
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.ports import Host, Login, PeerFailure, Security, TlsDemand
from mailbox_d.relay.tls.handshakes import OutgoingTls
from tests.dialogues.peer_client import shipment
from tests.integration.ports import HOST
from tests.integration.programs import require

ADDRESS = f"{USERS[0]}@{DOMAIN}"
BODY = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n" + b"x" * 900 + b"\r\n" + b"." * 70_000 + b"\r\nend"


class PostfixTest(TestCase):
    timeout = 120

    def setUp(self) -> None:
        require("postfix")
        if os.geteuid():
            pytest.skip("Postfix needs root")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.folder.chmod(0o755)
        self.postfix = Postfix(self.folder, "0", "smtputf8_enable = yes\n")
        self.postfix.start()
        self.addCleanup(self.postfix.stop)

    def session(self, kind: str = "smtp", **how: Any) -> PeerSession:
        tls = OutgoingTls(self.folder / "tls/mail.example.org.pem")
        client = Client("client.example.org", RelayLimits(), tls, reactor, lambda address: True)
        address = ip_address(HOST)
        host = Host("mail.example.org", self.postfix.ports[kind], (address,))
        return PeerSession(client, Destination(host, address, TlsDemand(Security.AUTHENTICATED), **how))

    async def test_what_arrives_is_what_was_sent(self) -> None:
        session = self.session()
        await session.open()
        assert {"PIPELINING", "SIZE", "8BITMIME", "DSN", "SMTPUTF8"} <= session.extensions.offered.keys()
        nobody, elsewhere = f"nobody@{DOMAIN}", "somebody@example.com"
        handed = await session.send(shipment([nobody, ADDRESS, elsewhere], BODY, returns=Return.HEADERS))
        assert [(one.reply.code, one.reply.status, one.taken) for one in handed] == [
            (550, "5.1.1", False),
            (250, "2.0.0", True),
            (454, "4.7.1", False),
        ]
        assert [one.taken for one in await session.send(shipment([nobody], BODY))] == [False]
        assert [one.taken for one in await session.send(shipment([ADDRESS], BODY, sender=None))] == [True]
        await session.close()
        for text in await self.arrived(2):
            assert text.partition(b"\n\n")[2].replace(b"\n", b"\r\n") == BODY.partition(b"\r\n\r\n")[2] + b"\r\n"

    async def test_a_login(self) -> None:
        if not self.postfix.can_login:
            pytest.skip("dovecot is not installed")
        session = self.session("submission", login=Login(ADDRESS, PASSWORD))
        await session.open()
        assert (await session.send(shipment([ADDRESS])))[0].taken
        await session.close()
        wrong = self.session("submission", login=Login(ADDRESS, "wrong"))
        with pytest.raises(PeerFailure) as failure:
            await wrong.open()
        assert (failure.value.stage, failure.value.temporary) == ("login", True)
        assert failure.value.reply is not None
        assert failure.value.reply.code == 535

    async def arrived(self, count: int) -> list[bytes]:
        """Messages in the mailbox, once there are so many."""
        new = self.folder / "maildirs" / USERS[0] / "new"
        for _ in range(600):
            found = list(new.iterdir()) if new.exists() else []
            if len(found) >= count:
                return [path.read_bytes() for path in found]
            await task.deferLater(reactor, 0.1)
        raise AssertionError((self.folder / "log/postfix.log").read_text()[-3000:])
