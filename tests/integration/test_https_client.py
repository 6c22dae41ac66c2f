"""Asking one server by HTTPS, which may be another one, say too much, break off, or say nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailbox_d.net.bounded_answers import HEADER_MAX
from mailbox_d.net.https_client import HttpsClient, NoAnswer
from tests.integration.authority import Authority, Pair, self_signed
from tests.integration.bad_peer import Close, Endless
from tests.integration.policy_server import Act, Answer, PolicyServer, Stall

AUTHORITY = Authority()
PAIR = AUTHORITY.issue("localhost")
OCTETS = 1000


class AskTest(TestCase):
    timeout = 60

    def server(self, act: Act | None = None, pair: Pair = PAIR) -> PolicyServer:
        server = PolicyServer(pair, b"said", act)
        server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)
        return server

    def client(self, port: int, host: str = "localhost", timeout: float = 30.0) -> HttpsClient:
        loop: Any = reactor
        with tempfile.TemporaryDirectory() as folder:
            ca = AUTHORITY.write(Path(folder))
            return HttpsClient(loop, f"https://{host}:{port}/x?y=z", ca, octets=OCTETS, timeout=timeout)

    async def failure(self, client: HttpsClient, words: str) -> None:
        try:
            said = await client.ask()
        except NoAnswer as fault:
            self.assertIn(words, str(fault))
        else:
            self.fail(f"was told {said!r}")

    async def test_an_answer_however_it_is_sent(self) -> None:
        for act in (Answer(), Answer(chunked=True), Answer(until_closed=True), Answer(body=b"x" * OCTETS)):
            server = self.server(act)
            self.assertEqual(await self.client(server.port).ask(), act.body or b"said")
            self.assertEqual(server.asked, ["localhost /x?y=z"])

    async def test_one_client_may_ask_often(self) -> None:
        server = self.server()
        client = self.client(server.port)
        self.assertEqual([await client.ask(), await client.ask(b"a=b", {"Accept": "x/y"})], [b"said"] * 2)

    async def test_only_the_right_server_is_asked(self) -> None:
        pairs = (
            AUTHORITY.issue("other.example.org"),
            AUTHORITY.expired("localhost"),
            AUTHORITY.not_yet_valid("localhost"),
            self_signed("localhost"),
            Authority().issue("localhost"),
        )
        for pair in pairs:
            server = self.server(pair=pair)
            await self.failure(self.client(server.port), "localhost")
            self.assertEqual(server.asked, [])

    async def test_a_name_is_no_address(self) -> None:
        server = self.server()
        await self.failure(self.client(server.port, "127.0.0.1"), "127.0.0.1")
        self.assertEqual(server.asked, [])

    async def test_what_is_no_answer(self) -> None:
        acts: dict[str, tuple[Act, ...]] = {
            "status": (
                Answer("404 Not Found"),
                Answer("204 No Content", body=b""),
                Answer("302 Found", header="Location: /"),
            ),
            "too long": (Answer(body=b"x" * (OCTETS + 1)), Answer(body=b"x" * (OCTETS + 1), chunked=True)),
            "localhost": (
                Close(b""),
                Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsaid"),
                Close(b"HTTP/1.1 200 OK\r\n\r\nsaid"),
                Answer(header=f"X: {'x' * HEADER_MAX}"),
                Endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
                Endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000),
            ),
        }
        for words, kind in acts.items():
            for act in kind:
                await self.failure(self.client(self.server(act).port), words)

    async def test_a_server_that_says_nothing(self) -> None:
        for words in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsaid"):
            await self.failure(self.client(self.server(Stall(words)).port, timeout=0.5), "takes too long")

    async def test_nobody_listens(self) -> None:
        server = PolicyServer(PAIR, b"")
        server._listener.close()
        await self.failure(self.client(server.port), "refused")
