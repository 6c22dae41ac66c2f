"""MTA-STS policies fetched over loopback, from servers that do right and from such as do not."""

from __future__ import annotations

import tempfile
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from mailbox_d.relay.tls.handshakes import client_context
from mailbox_d.relay.tls.mta_sts import Mode, Policy
from mailbox_d.relay.tls.mta_sts_fetch import FetchFailed, FetchSettings, PolicyFetcher
from tests.integration.authority import Authority, Pair, forged, self_signed
from tests.integration.bad_peer import Close, Endless
from tests.integration.policy_server import Act, Answer, PolicyServer, Stall, policy
from tests.unit.relay.zone import Zone

LOOPBACK = ip_network("127.0.0.1")
AUTHORITY = Authority()
PAIR = AUTHORITY.issue("mta-sts.example.org")
RIGHT = Policy(Mode.ENFORCE, 86400, ("mx.example.org",))


class FetchTest(TestCase):
    timeout = 60

    def server(self, act: Act | None = None, pair: Pair = PAIR, text: bytes = policy("mx.example.org")) -> PolicyServer:
        server = PolicyServer(pair, text, act)
        server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)
        return server

    def fetcher(self, port: int, zone: str = "mta-sts.example.org A 127.0.0.1", **settings: Any) -> PolicyFetcher:
        with tempfile.TemporaryDirectory() as folder:
            context = client_context(AUTHORITY.write(Path(folder)), level=2)
        kept = {"octets": 65536, "timeout": 30.0, "is_allowed": lambda address: address in LOOPBACK}
        return PolicyFetcher(reactor, Zone(zone), context, FetchSettings(port, **(kept | settings)))

    async def failure(self, server: PolicyServer, failure: str, words: str, **settings: Any) -> None:
        try:
            found = await self.fetcher(server.port, **settings).fetch("example.org")
        except FetchFailed as fault:
            self.assertEqual(fault.failure, failure)
            self.assertIn(words, str(fault))
        else:
            self.fail(f"fetched {found}")

    async def test_a_policy_is_fetched(self) -> None:
        server = self.server()
        self.assertEqual(await self.fetcher(server.port).fetch("example.org"), RIGHT)
        self.assertEqual(server.asked, ["mta-sts.example.org /.well-known/mta-sts.txt"])

    async def test_however_it_is_sent(self) -> None:
        for act in (
            Answer(content_type="Text/Plain; charset=utf-8"),
            Answer(chunked=True),
            Answer(until_closed=True),
            Answer(header="Cache-Control: no-store\nAge: 99999999\n"),
        ):
            self.assertEqual(await self.fetcher(self.server(act).port).fetch("example.org"), RIGHT)

    async def test_an_address_where_nobody_listens_is_passed_over(self) -> None:
        zone = "mta-sts.example.org A 127.0.0.2\nmta-sts.example.org A 127.0.0.1"
        fetcher = self.fetcher(self.server().port, zone, is_allowed=lambda _: True)
        self.assertEqual(await fetcher.fetch("example.org"), RIGHT)

    async def test_redirects_are_not_followed(self) -> None:
        for status in ("301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
            elsewhere = self.server()
            where = f"Location: https://mta-sts.example.org:{elsewhere.port}/.well-known/mta-sts.txt"
            act = Answer(status, header=where)
            await self.failure(self.server(act), "sts-policy-fetch-error", f"status {status[:3]}")
            self.assertEqual(elsewhere.asked, [])

    async def test_other_answers_are_no_policies(self) -> None:
        for act, failure, words in (
            (Answer("404 Not Found"), "sts-policy-fetch-error", "status 404"),
            (Answer("500 Out of order"), "sts-policy-fetch-error", "status 500"),
            (Answer("204 Nothing", body=b""), "sts-policy-fetch-error", "status 204"),
            (Answer(content_type="text/html"), "sts-policy-fetch-error", "not text/plain"),
            (Answer(content_type=""), "sts-policy-fetch-error", "not text/plain"),
            (Answer(body=b"nothing"), "sts-policy-invalid", "is no field"),
            (Answer(body=b""), "sts-policy-invalid", "no known version"),
            (Answer(body=b"x" * 65537), "sts-policy-invalid", "too long"),
            (Answer(body=b"x" * 65537, until_closed=True), "sts-policy-invalid", "too long"),
            (Close(), "sts-policy-fetch-error", "no whole answer"),
            (Close(b"SSH-2.0-nonsense\r\n\r\n"), "sts-policy-fetch-error", "no whole answer"),
            (
                Close(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\nversion: STSv1\r\n"),
                "sts-policy-fetch-error",
                "broke off",
            ),
        ):
            await self.failure(self.server(act), failure, words)

    async def test_what_ends_with_the_connection_is_whole_where_tls_says_so(self) -> None:
        """Else whoever is on the way cuts `max_age` after its first figure (RFC 9112 section 9.8)."""
        head, text = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", policy("mx.example.org")
        for octets in (head + text[:-6], head + text):
            await self.failure(self.server(Close(octets)), "sts-policy-fetch-error", "broke off")

    async def test_endless_answers_end(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        for act, failure in (
            (Endless(head + b"\r\n", b"x" * 1000), "sts-policy-invalid"),
            (Endless(head + b"Transfer-Encoding: chunked\r\n\r\n", chunk), "sts-policy-invalid"),
            (Endless(head, b"X-More: and more\r\n"), "sts-policy-fetch-error"),
            (Endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "sts-policy-fetch-error"),
            (Endless(b"", b"x" * 1000), "sts-policy-fetch-error"),
        ):
            await self.failure(self.server(act), failure, "")

    async def test_slow_servers_are_left(self) -> None:
        await self.failure(self.server(Stall()), "sts-policy-fetch-error", "too long", timeout=0.5)
        began = Stall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\n")
        await self.failure(self.server(began), "sts-policy-fetch-error", "too long", timeout=0.5)

    async def test_a_wrong_certificate_is_asked_for_nothing(self) -> None:
        for pair, words in (
            (AUTHORITY.issue("example.org"), "for example.org, not for mta-sts.example.org"),
            (AUTHORITY.issue(common_name="mta-sts.example.org"), "for no name"),
            (AUTHORITY.expired("mta-sts.example.org"), "expired"),
            (AUTHORITY.not_yet_valid("mta-sts.example.org"), "not valid yet"),
            (Authority("other").issue("mta-sts.example.org"), "not trusted"),
            (self_signed("mta-sts.example.org"), "by itself alone"),
            (forged(AUTHORITY, "mta-sts.example.org"), "signature is wrong"),
        ):
            server = self.server(pair=pair)
            await self.failure(server, "sts-webpki-invalid", words)
            self.assertEqual(server.asked, [])

    async def test_a_wildcard_will_do(self) -> None:
        server = self.server(pair=AUTHORITY.issue("*.example.org"))
        self.assertEqual(await self.fetcher(server.port).fetch("example.org"), RIGHT)

    async def test_addresses_that_are_not_allowed_are_not_connected_to(self) -> None:
        server = self.server()
        await self.failure(server, "sts-policy-fetch-error", "may be connected to", is_allowed=lambda _: False)
        only = ip_address("127.0.0.2")
        await self.failure(server, "sts-policy-fetch-error", "may be connected to", is_allowed=only.__eq__)
        self.assertEqual(server.asked, [])

    async def test_a_name_without_addresses(self) -> None:
        server = self.server()
        await self.failure(server, "sts-policy-fetch-error", "has no address", zone="example.org A 127.0.0.1")
        fetcher = self.fetcher(server.port)
        fetcher._resolver.failing.add("mta-sts.example.org")  # type: ignore[attr-defined]
        await self.assertFailure(Deferred.fromCoroutine(fetcher.fetch("example.org")), FetchFailed)
