"""Attacks 92 to 95: whatever an LDAP server says, the answer is bounded, and a fault on our side."""

from __future__ import annotations

import gc
import itertools
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from mailbox_d.auth.ldap_realm.connection import (
    AnswerFault,
    ConnectionGone,
    EndlessAnswer,
    LdapConnection,
    ServerFault,
    Way,
)
from mailbox_d.auth.ldap_realm.directory import Query
from mailbox_d.auth.ldap_realm.entries import Entry
from mailbox_d.auth.ldap_realm.host_addresses import HostAddresses
from mailbox_d.auth.ldap_realm.servers import ServedDirectory
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.errors import AuthenticationUnavailable
from tests.integration.bad_directory import Answer, answering, entry, message, result, tlv
from tests.integration.ports import HOST

QUERY = Query("dc=example", "(mail=alice@example.org)", ("mail",))
BIND, ENTRY, DONE, REFERENCE, EXTENDED = 0x61, 0x64, 0x65, 0x73, 0x78
PATIENCE = 30.0
"""What an answer may take where it comes at once."""
SHORT = 0.5
"""What an answer may take that does not come."""


def search(answer: Answer, seconds: float = PATIENCE) -> tuple[Entry, ...]:
    with answering(answer) as directory:
        connection = LdapConnection(Way(directory.uri, None, seconds))
        try:
            return connection.search(QUERY)
        finally:
            connection.close()


def says(*operations: bytes) -> Answer:
    def answer(number: int) -> Iterator[bytes]:
        yield b"".join(message(number, operation) for operation in operations)

    return answer


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_entry() -> None:
    assert search(says(entry(b"uid=alice"), result(DONE, 0))) == (
        Entry("uid=alice", {"mail": (b"alice@example.org",)}),
    )


def test_references_and_referrals_lead_nowhere() -> None:
    reference = tlv(REFERENCE, tlv(0x04, b"ldap://192.0.2.1/dc=evil"))
    assert search(says(reference, result(DONE, 0))) == ()
    referral = tlv(0xA3, tlv(0x04, b"ldap://192.0.2.1/dc=evil"))
    with pytest.raises(AnswerFault):
        search(says(result(DONE, 10, referral)))


def drip(number: int) -> Iterator[bytes]:
    """A right answer, an octet now and then: each comes in time, and the whole does not."""
    for octet in message(number, entry(b"uid=alice")) + message(number, result(DONE, 0)):
        yield bytes([octet])
        time.sleep(SHORT / 10)


def nothing(number: int) -> Iterator[bytes]:
    threading.Event().wait(2 * SHORT)
    yield b""


def endless(number: int) -> Iterator[bytes]:
    for count in itertools.count():
        yield message(number, entry(b"uid=%d" % count))


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: iter([b"\x30\x80" + b"\x30\x80" * 10_000]),
        lambda n: iter([message(n, b"\x64" + b"\x30\x84\x00\x00\xff\xff" * 10_000)]),
        lambda n: iter([message(n, tlv(0x64, *[b"\x30\x80" * 10_000]))]),
        lambda n: iter([message(n + 7, entry(b"uid=alice"))]),
        lambda n: iter([message(n, b"\x64\x05abc")]),
        lambda n: iter([b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        lambda n: iter([tlv(0x30, tlv(0x02, b"\x01" * (900 << 10)), result(DONE, 0))]),
        lambda n: iter([message(n, tlv(DONE, tlv(0x0A, b"\x01" * (900 << 10)), tlv(0x04), tlv(0x04)))]),
        lambda n: iter([tlv(0x30)]),
        lambda n: iter([tlv(0x30, b"\x02")]),
        lambda n: iter([tlv(0x30, tlv(0x02), result(DONE, 0))]),
        says(result(BIND, 0)),
    ],
)
def test_nonsense_is_the_server_s_fault_at_once(answer: Answer) -> None:
    began = time.monotonic()
    with pytest.raises(ServerFault):
        search(answer)
    assert time.monotonic() - began < PATIENCE / 2


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: iter([b"\x30\x84\x7f\xff\xff\xff"]),
        lambda _: iter([b"\x30\xfe" + b"\xff" * 126]),
        lambda n: iter([message(n, entry(b"uid=alice", b"x" * (2 << 20)))]),
        says(*[entry(b"uid=alice", b"x" * (300 << 10))] * 4, result(DONE, 0)),
        says(*[tlv(REFERENCE, tlv(0x04, b"ldap://192.0.2.1/dc=evil"))] * 20, result(DONE, 0)),
        endless,
    ],
)
def test_an_answer_that_is_too_large_is_no_fault_of_the_server(answer: Answer) -> None:
    """Whoever can make one entry large turns nobody else away."""
    began = time.monotonic()
    with pytest.raises(EndlessAnswer):
        search(answer)
    assert time.monotonic() - began < PATIENCE / 2


@pytest.mark.parametrize("farewell", [b"", message(0, tlv(EXTENDED, tlv(0x0A, b"\x34"), tlv(0x04), tlv(0x04)))])
def test_a_connection_that_ended_between_two_questions_is_no_fault_of_a_server(farewell: bytes, tmp_path: Path) -> None:
    """With a notice of disconnection (RFC 4511 section 4.4.1) or without one; also where it shows when one asks."""
    path = str(tmp_path / "ldapi")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        connection = LdapConnection(Way(f"ldapi://{quote(path, safe='')}", None, PATIENCE))
        client, _ = listening.accept()
        client.sendall(farewell)
        client.close()
        with pytest.raises(ConnectionGone):
            connection.search(QUERY)
        connection.close()


@pytest.mark.parametrize("answer", [drip, nothing])
def test_an_answer_has_its_time_and_no_more(answer: Answer) -> None:
    with pytest.raises(ServerFault, match="time"):
        search(answer, SHORT)


def test_failures_keep_no_socket_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    refusing = says(result(EXTENDED, 2))
    with answering(refusing) as directory:
        ways = [Way(f"ldapi://{quote(str(tmp_path / 'none'), safe='')}", None, SHORT)]
        ways += [Way(directory.uri, ssl.create_default_context(), PATIENCE)]
        ways += [Way(directory.uri.replace("ldap:", "ldaps:"), ssl.create_default_context(), SHORT)]
        gc.collect()
        gc.disable()  # what nobody closes stays open, to be counted
        before = open_files()
        try:
            for way in ways * 20:
                with pytest.raises(ServerFault):
                    LdapConnection(way)
            wait_until(lambda: open_files() <= before + len(ways))  # the server closes its ends when it sees the end
        finally:
            gc.enable()


@pytest.mark.parametrize("said", [b"", message(2, entry(b"uid=alice"))[:20]], ids=["at once", "half an answer"])
def test_a_server_that_hangs_up_is_gone(said: bytes) -> None:
    def hang_up(number: int) -> Iterator[bytes]:
        yield said
        raise ConnectionError

    with pytest.raises(ConnectionGone):
        search(hang_up)


@pytest.mark.parametrize("code", [2, 52, 53, 13])
def test_nothing_is_said_in_clear_text_to_a_server_without_starttls(code: int) -> None:
    with answering(says(result(EXTENDED, code))) as directory:
        with pytest.raises(ServerFault):
            LdapConnection(Way(directory.uri, ssl.create_default_context(), PATIENCE))
        assert len(directory.requests) == 1
        assert b"1.3.6.1.4.1.1466.20037" in directory.requests[0]


def test_nothing_that_was_said_before_tls_counts_after_it() -> None:
    answer = says(result(EXTENDED, 0), result(BIND, 0))
    with answering(answer) as directory, pytest.raises(ServerFault, match="before TLS"):
        LdapConnection(Way(directory.uri, ssl.create_default_context(), PATIENCE))


def test_a_handshake_that_trickles_ends_in_time() -> None:
    """Each octet comes soon enough, and there is no end of them."""
    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(PATIENCE)
        ended = threading.Event()
        thread = threading.Thread(target=trickle, args=(listening, ended))
        thread.start()
        try:
            with pytest.raises(ServerFault, match="timed out"):
                LdapConnection(Way(f"ldaps://{HOST}:{listening.getsockname()[1]}", ssl.create_default_context(), SHORT))
            assert not ended.is_set()
        finally:
            thread.join(PATIENCE)


def trickle(listening: socket.socket, ended: threading.Event) -> None:
    """Begin a long handshake message, an octet at a time, for as long as anybody listens, and not for ever."""
    client, _ = listening.accept()
    with client, suppress(OSError):
        client.sendall(b"\x16\x03\x03\x3f\xff")
        for _ in range(int(PATIENCE / 0.02)):
            client.sendall(b"\2")
            time.sleep(0.02)
        ended.set()


@pytest.mark.parametrize("code", [1, 8, 13, 51, 52])
def test_a_search_that_another_server_may_do_better(code: int) -> None:
    with pytest.raises(ServerFault):
        search(says(result(DONE, code)))


@pytest.mark.parametrize("code", [2, 3, 11, 32, 50, 53, 80, 118])
def test_a_search_that_no_server_does_better(code: int) -> None:
    with pytest.raises(AnswerFault):
        search(says(result(DONE, code)))


@pytest.mark.parametrize("found", [0, 1])
def test_a_size_limit_below_what_was_asked_for_tells_nobody_apart(found: int) -> None:
    with pytest.raises(AnswerFault, match="size limit"):
        search(says(*[entry(b"uid=alice")] * found, result(DONE, 4)))


def test_two_entries_are_enough_to_know_that_there_are_several() -> None:
    assert len(search(says(*[entry(b"uid=alice")] * 2, result(DONE, 4)))) == 2


@pytest.mark.parametrize("password", ["", "\n", "  \n", "\t \r\n"])
def test_a_daemon_without_a_password_of_its_own_binds_as_nobody(tmp_path: Path, password: str) -> None:
    (tmp_path / "secret").write_text(password)
    with answering(says(result(BIND, 0))) as directory:
        keys = {"uris": [directory.uri], "base": "dc=example", "starttls": "none"}
        keys |= {"bind_dn": "cn=daemon", "bind_password_file": "secret"}
        settings = LdapRealm.model_validate(keys, context={"folder": tmp_path})
        with pytest.raises(AuthenticationUnavailable) as error:
            ServedDirectory(settings).search(QUERY)
        assert error.value.cause == "bind_password_file has no password"
        assert directory.requests == []


@pytest.mark.parametrize(("code", "accepted"), [(0, True), *((code, False) for code in (19, 32, 34, 48, 49, 50, 53))])
def test_what_a_bind_comes_to(code: int, accepted: bool) -> None:
    with answering(says(result(BIND, code))) as directory:
        connection = LdapConnection(Way(directory.uri, None, PATIENCE))
        assert connection.bind("uid=alice", b"p\xffss") is accepted
        assert b"p\xffss" in directory.requests[0]
        for dn, password in (("", b"x"), ("uid=alice", b"")):
            with pytest.raises(ValueError, match="proves nothing"):
                connection.bind(dn, password)
        assert len(directory.requests) == 1
        connection.close()


@pytest.mark.parametrize("code", [1, 2, 3, 10, 11, 14, 36, 51, 52, 80, 118])
def test_a_bind_that_comes_to_nothing_is_no_wrong_password(code: int) -> None:
    """What may concern this entry alone is no fault of the server, which others go on to ask."""
    with answering(says(result(BIND, code))) as directory:
        connection = LdapConnection(Way(directory.uri, None, PATIENCE))
        with pytest.raises(ServerFault if code in (51, 52) else AnswerFault):
            connection.bind("uid=alice", b"pass")
        connection.close()


@pytest.mark.parametrize("code", [32, 34])
def test_what_was_there_a_moment_ago_and_is_gone_says_nothing(code: int) -> None:
    with answering(says(result(DONE, code))) as directory:
        connection = LdapConnection(Way(directory.uri, None, PATIENCE))
        assert connection.search(Query("uid=alice", "(a=b)", this_entry=True)) == ()
        with pytest.raises(AnswerFault):
            connection.search(Query("uid=alice", "(a=b)", this_entry=True, is_known=True))
        connection.close()


def test_an_answer_to_another_question_lets_nobody_in() -> None:
    with answering(says(result(DONE, 0))) as directory:
        connection = LdapConnection(Way(directory.uri, None, PATIENCE))
        with pytest.raises(ServerFault):
            connection.bind("uid=alice", b"pass")
        connection.close()


def test_an_address_that_takes_no_connection_leaves_time_for_the_next_one() -> None:
    """Of two addresses of a host the first one hangs."""
    with socket.create_server((HOST, 0), backlog=0) as full, answering(says(result(BIND, 0))) as directory:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        two = [(socket.AF_INET, socket.SOCK_STREAM, 0, place) for place in (full.getsockname(), (HOST, directory.port))]
        way = Way("ldap://ldap.example.net", None, 8 * SHORT, addresses=HostAddresses(lambda host, port: two))
        connection = LdapConnection(way)
        assert connection.bind("uid=alice", b"pass")
        connection.close()
        for one in waiting:
            one.close()
