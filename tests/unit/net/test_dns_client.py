"""DNS over the reactor, from a server on loopback that can misbehave."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Coroutine
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import skipUnless

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.trial.unittest import TestCase

from mailbox_d.net.dns_client import TRIES, DnsClient, DnsLimits
from mailbox_d.net.dns_servers import DnsServer
from mailbox_d.net.lanes import sleep
from mailbox_d.wire.dns.answers import MOST_ALIASES
from mailbox_d.wire.dns.records import MX, SRV, TLSA, Answer, LookupFailed
from tests.integration import fake_dns
from tests.integration.fake_dns import FakeDns
from tests.integration.ports import HOST, free_ports

LONG = 30.0
"""Seconds for an answer that comes."""
SHORT = 0.2
"""Seconds for one that does not."""

RECORDS = f"""
example.com 300 MX 10 mx.example.com
example.com 300 MX 20 .
example.com 300 TXT "v=spf1 " "-all"
mx.example.com 300 A 192.0.2.1
mx.example.com 300 AAAA 2001:db8::1
_25._tcp.mx.example.com 300 TLSA 3 1 1 {"ab" * 32}
_imaps._tcp.example.com 300 SRV 0 1 993 mx.example.com
alias.example.com 300 CNAME example.com
passing.example.com 0 A 192.0.2.2
1.2.0.192.in-addr.arpa 300 PTR mx.example.com
{"".join(f"big.example.com 300 TXT {'x' * 200}{n}{chr(10)}" for n in range(10))}
"""


ZONE_FILE = """\
$ORIGIN example.net.
$TTL 1h
@       IN  SOA  ns root ( 1 ; serial
                 3600 600 86400 60 )
        IN  MX   10 mail
        IN  TXT  "v=spf1 mx " "-all"
mail    300 IN A 192.0.2.3
www     CNAME    example.net.
"""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class DnsClientTest(TestCase):
    timeout = 120

    def setUp(self) -> None:
        self.dns = FakeDns(RECORDS)
        self.addCleanup(self.dns.stop)
        self.clock = Clock()

    def client(
        self, *servers: DnsServer, believed: bool = False, seconds: float = LONG, records: int = 200, cache: int = 100
    ) -> DnsClient:
        return DnsClient(
            reactor,
            servers or (self.server(believed=believed),),
            DnsLimits(seconds, records, cache),
            monotonic=self.clock,
        )

    def server(self, *, believed: bool = False) -> DnsServer:
        return DnsServer(HOST, self.dns.port, believed)

    async def assert_failed(self, lookup: Coroutine[Any, Any, Answer[Any]]) -> LookupFailed:
        failure: LookupFailed = await self.assertFailure(Deferred.fromCoroutine(lookup), LookupFailed)
        self.assertTrue(failure.temporary)
        return failure

    async def test_every_type_is_looked_up(self) -> None:
        client = self.client()
        mx = await client.mx("Example.com")
        self.assertEqual(set(mx.records), {MX(10, "mx.example.com"), MX(20, "")})
        self.assertEqual((mx.exists, mx.secure, mx.name), (True, False, "example.com"))
        self.assertEqual((await client.a("mx.example.com")).records, (ip_address("192.0.2.1"),))
        self.assertEqual((await client.aaaa("mx.example.com")).records, (ip_address("2001:db8::1"),))
        self.assertEqual((await client.txt("example.com")).records, (b"v=spf1 -all",))
        self.assertEqual((await client.tlsa("_25._tcp.mx.example.com")).records, (TLSA(3, 1, 1, b"\xab" * 32),))
        srv = await client.srv("_imaps._tcp.example.com")
        self.assertEqual(srv.records, (SRV(0, 1, 993, "mx.example.com"),))
        self.assertEqual((await client.cname("alias.example.com")).records, ("example.com",))
        self.assertEqual((await client.ptr(ip_address("192.0.2.1"))).records, ("mx.example.com",))

    async def test_what_is_not_there_is_told_apart_from_no_such_name(self) -> None:
        client = self.client()
        self.assertEqual(await client.aaaa("example.com"), Answer(name="example.com"))
        self.assertEqual(await client.mx("nobody.invalid"), Answer(exists=False, name="nobody.invalid"))
        self.assertEqual(await client.mx("a..b"), Answer(exists=False))
        self.assertEqual(await client.mx("x" * 64 + ".example.com"), Answer(exists=False))

    async def test_signatures_count_if_the_server_is_believed(self) -> None:
        self.dns.secure = True
        self.assertTrue((await self.client(believed=True).mx("example.com")).secure)
        self.assertFalse((await self.client(believed=False).mx("example.com")).secure)
        self.assertTrue((await self.client(believed=True).a("nobody.invalid")).secure)
        self.dns.secure = False
        self.assertFalse((await self.client(believed=True).mx("example.com")).secure)

    async def test_an_answer_is_asked_for_once_and_again_when_it_is_too_old(self) -> None:
        client = self.client()
        for _ in range(3):
            await client.mx("example.com")
            await client.mx("nobody.invalid")
        self.assertEqual([self.dns.count(name, "MX") for name in ("example.com", "nobody.invalid")], [1, 1])
        self.clock.now += 61
        await client.mx("example.com")
        await client.mx("nobody.invalid")
        self.assertEqual([self.dns.count(name, "MX") for name in ("example.com", "nobody.invalid")], [1, 2])
        self.clock.now += 300
        await client.mx("example.com")
        self.assertEqual(self.dns.count("example.com", "MX"), 2)

    async def test_another_answer_each_time_is_heard_each_time(self) -> None:
        self.dns.misbehave("a", fake_dns.rebinding("a 0 A 192.0.2.1", "a 0 A 127.0.0.1"))
        client = self.client()
        self.assertEqual(
            [str((await client.a("a")).records[0]) for _ in range(3)], ["192.0.2.1", "127.0.0.1", "127.0.0.1"]
        )

    async def test_those_who_ask_at_the_same_time_share_a_question(self) -> None:
        client = self.client()
        answers = await gatherResults([Deferred.fromCoroutine(client.a("passing.example.com")) for _ in range(20)])
        self.assertEqual({answer.records for answer in answers}, {(ip_address("192.0.2.2"),)})
        self.assertEqual(self.dns.count("passing.example.com", "A"), 1)

    async def test_each_question_has_its_own_port_and_identifier(self) -> None:
        client = self.client()
        names = [f"n{number}.example.com" for number in range(60)]
        await gatherResults([Deferred.fromCoroutine(client.a(name)) for name in names])
        asked = list(self.dns.asked)
        self.assertEqual(len(asked), len(names))
        self.assertGreater(len({one.identifier for one in asked}), 50)
        self.assertGreater(len({one.port for one in asked}), 50)
        for drawn in ([one.identifier for one in asked], [one.port for one in asked]):
            steps = [after - before for before, after in pairwise(drawn)]
            self.assertGreater(len(set(steps)), 20)

    async def test_what_is_too_large_for_a_datagram_comes_by_tcp(self) -> None:
        answer = await self.client().txt("big.example.com")
        self.assertEqual(len(answer.records), 10)
        self.assertEqual([one.by_tcp for one in self.dns.asked], [False, True])

    async def test_many_records_are_cut(self) -> None:
        self.dns.misbehave("example.com", fake_dns.many_records(4000))
        self.assertEqual(len((await self.client(records=50).mx("example.com")).records), 50)

    @skipUnless(Path("/proc/net/if_inet6").exists(), "no IPv6 here")
    async def test_a_server_may_have_an_ipv6_address(self) -> None:
        other = FakeDns(RECORDS, host="::1")
        self.addCleanup(other.stop)
        client = self.client(DnsServer("::1", other.port))
        self.assertEqual(len((await client.mx("example.com")).records), 2)
        self.assertEqual(len((await client.txt("big.example.com")).records), 10)
        self.assertEqual([one.by_tcp for one in other.asked], [False, False, True])

    async def test_a_zone_file_is_served(self) -> None:
        """That is how tests judge what is printed for a zone."""
        self.dns.records.add(ZONE_FILE)
        client = self.client()
        self.assertEqual((await client.mx("example.net")).records, (MX(10, "mail.example.net"),))
        self.assertEqual((await client.a("mail.example.net")).records, (ip_address("192.0.2.3"),))
        self.assertEqual((await client.txt("example.net")).records, (b"v=spf1 mx -all",))
        self.assertEqual((await client.cname("www.example.net")).records, ("example.net",))

    async def test_no_refusal_and_no_nonsense_is_an_answer(self) -> None:
        for behaviour in (
            fake_dns.refused,
            fake_dns.servfail,
            fake_dns.garbage,
            fake_dns.alias_loop,
            fake_dns.always_truncated,
        ):
            self.dns.misbehave("example.com", behaviour)
            asked = self.dns.count("example.com", "MX")
            failure = await self.assert_failed(self.client().mx("example.com"))
            self.assertNotIn("time", failure.cause)
            self.assertIn(self.dns.count("example.com", "MX") - asked, (1, 2))

    async def test_no_answer_that_is_ours_is_waited_for_three_times(self) -> None:
        for behaviour in (fake_dns.silent, fake_dns.wrong_identifier, fake_dns.wrong_name, fake_dns.slow(20 * SHORT)):
            self.dns.misbehave("example.com", behaviour)
            asked = self.dns.count("example.com", "MX")
            failure = await self.assert_failed(self.client(seconds=SHORT).mx("example.com"))
            self.assertIn("in time", failure.cause)
            self.assertEqual(self.dns.count("example.com", "MX") - asked, TRIES)

    async def test_silence_by_tcp_ends_too(self) -> None:
        def cut_and_silent(query: Any, reply: Any, by_tcp: bool) -> bytes | None:
            return None if by_tcp else fake_dns.truncated(query, reply, by_tcp)

        self.dns.misbehave("example.com", cut_and_silent)
        await self.assert_failed(self.client(seconds=SHORT).mx("example.com"))

    async def test_a_failure_holds_for_some_seconds(self) -> None:
        self.dns.misbehave("example.com", fake_dns.servfail)
        client = self.client()
        for _ in range(3):
            await self.assert_failed(client.mx("example.com"))
        self.assertEqual(self.dns.count("example.com", "MX"), 1)
        self.dns.behave()
        self.clock.now += 5
        self.assertEqual(len((await client.mx("example.com")).records), 2)

    async def test_the_next_server_is_asked_where_one_is_down_or_refuses(self) -> None:
        (closed,) = free_ports(1)
        client = self.client(DnsServer(HOST, closed), self.server())
        self.assertEqual(len((await client.mx("example.com")).records), 2)
        other = FakeDns("example.com MX 7 other.example")
        self.addCleanup(other.stop)
        self.dns.misbehave("*", fake_dns.servfail)
        client = self.client(self.server(), DnsServer(HOST, other.port))
        self.assertEqual((await client.mx("example.com")).records, (MX(7, "other.example"),))
        believed = (self.server(believed=True), DnsServer(HOST, other.port, is_believed=True))
        self.assertEqual((await self.client(*believed).mx("example.com")).records, (MX(7, "other.example"),))
        await self.assert_failed(self.client(DnsServer(HOST, closed)).mx("example.com"))
        await self.assert_failed(DnsClient(reactor, (), DnsLimits()).mx("example.com"))

    async def test_where_one_server_is_believed_no_other_is_asked_in_its_place(self) -> None:
        """Neither where it says that signatures are false, nor where an attacker makes it silent."""
        other = FakeDns("example.com MX 7 forged.example\nexample.net MX 7 forged.example")
        self.addCleanup(other.stop)
        client = self.client(DnsServer(HOST, other.port), self.server(believed=True), seconds=SHORT)
        self.dns.misbehave("example.com", fake_dns.servfail)
        await self.assert_failed(client.mx("example.com"))
        self.dns.misbehave("example.net", fake_dns.silent)
        await self.assert_failed(client.mx("example.net"))
        self.assertEqual(len(other.asked), 0)

    async def test_questions_that_nobody_answers_keep_no_other_domain_waiting(self) -> None:
        for number in range(300):
            self.dns.misbehave(f"h{number}.slow.example", fake_dns.silent)
        client = self.client()
        lookups = [Deferred.fromCoroutine(client.mx(f"h{number}.slow.example")) for number in range(300)]
        self.assertEqual(len((await client.mx("example.com")).records), 2)
        for lookup in lookups:
            lookup.cancel()
            await self.assertFailure(lookup, CancelledError)

    async def test_a_question_that_is_asked_again_waits_behind_those_that_were_not_yet(self) -> None:
        names = [f"h{number}.slow.example" for number in range(60)]
        for name in names[:30]:
            self.dns.misbehave(name, fake_dns.silent)
        for name in names[30:]:
            self.dns.misbehave(name, fake_dns.servfail)
        client = self.client(seconds=SHORT)
        await gatherResults([Deferred.fromCoroutine(self.assert_failed(client.mx(name))) for name in names])
        self.assertEqual({one.name for one in list(self.dns.asked)[:60]}, set(names))

    async def test_aliases_are_followed_from_answer_to_answer_to_a_bound(self) -> None:
        def one_step(query: Any, reply: Any, by_tcp: bool) -> bytes | None:
            reply.answer, reply.authority = reply.answer[:1], []
            return bytes(reply.to_wire())

        names = ["a0", *(f"a{number}" for number in range(1, 20))]
        self.dns.records.add("".join(f"{a} CNAME {b}\n" for a, b in pairwise(names)))
        self.dns.records.forget(f"a{MOST_ALIASES}")
        self.dns.records.add(f"a{MOST_ALIASES} A 192.0.2.9\nloop CNAME loop2\nloop2 CNAME loop")
        for name in [*names[:MOST_ALIASES], "loop", "loop2"]:
            self.dns.misbehave(name, one_step)
        client = self.client()
        answer = await client.a("a0")
        self.assertEqual((answer.records, answer.name), ((ip_address("192.0.2.9"),), f"a{MOST_ALIASES}"))
        failure = await self.assert_failed(client.a("loop"))
        self.assertIn("loop", failure.cause)

    async def test_one_unsigned_step_makes_the_whole_unsigned(self) -> None:
        def unsigned(query: Any, reply: Any, by_tcp: bool) -> bytes | None:
            reply.answer, reply.authority, reply.flags = reply.answer[:1], [], 0x8180
            return bytes(reply.to_wire())

        self.dns.secure = True
        self.dns.misbehave("alias.example.com", unsigned)
        self.assertFalse((await self.client(believed=True).mx("alias.example.com")).secure)
        self.assertTrue((await self.client(believed=True).mx("example.com")).secure)

    async def test_what_others_send_to_the_port_is_never_read(self) -> None:
        """Whoever is not the server cannot even offer an answer."""

        def forged(query: Any, reply: Any, by_tcp: bool) -> bytes | None:
            fake = fake_dns.Records("example.com MX 1 evil.example").reply(query).to_wire()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(fake, (HOST, self.dns.asked[-1].port))
            return bytes(reply.to_wire())

        self.dns.misbehave("example.com", forged)
        self.assertEqual(len((await self.client().mx("example.com")).records), 2)

    async def test_a_lookup_that_is_cancelled_leaves_nothing(self) -> None:
        self.dns.misbehave("*", fake_dns.silent)
        client = self.client()
        lookups = [Deferred.fromCoroutine(client.mx(f"n{number}.example{number % 5}.com")) for number in range(150)]
        while len(self.dns.asked) < 100:
            await sleep(reactor, 0.01)
        self.assertEqual(_sockets_to(self.dns.port), 100)
        for lookup in lookups:
            lookup.cancel()
            await self.assertFailure(lookup, CancelledError)
        self.assertEqual((_sockets_to(self.dns.port), client._asked), (0, {}))
        self.dns.behave()
        self.assertEqual(len((await client.mx("example.com")).records), 2)

    async def test_many_failures_leave_no_port_and_no_timer(self) -> None:
        for name, behaviour in {
            "a": fake_dns.refused,
            "b": fake_dns.silent,
            "c": fake_dns.always_truncated,
            "d": _closing,
        }.items():
            for number in range(30):
                self.dns.misbehave(f"{name}{number}", behaviour)
        client = self.client(seconds=SHORT)
        lookups = [self.assert_failed(client.mx(f"{name}{number}")) for name in "abcd" for number in range(30)]
        await gatherResults([Deferred.fromCoroutine(lookup) for lookup in lookups])
        until = time.monotonic() + LONG
        while _sockets_to(self.dns.port) and time.monotonic() < until:  # the kernel's farewells take their time
            await sleep(reactor, 0.01)
        self.assertEqual((_sockets_to(self.dns.port), client._asked), (0, {}))


def _closing(query: Any, reply: Any, by_tcp: bool) -> bytes | None:
    """By TCP, a length and nothing that has it."""
    return struct.pack("!H", 7) if by_tcp else fake_dns.truncated(query, reply, by_tcp)


def _sockets_to(port: int) -> int:
    """How many sockets of this machine are connected to a port."""
    lines = [line.split() for kind in ("udp", "tcp") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    return sum(words[2].endswith(f":{port:04X}") for words in lines)
