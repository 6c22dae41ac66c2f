"""Several servers as one directory: the first that is well answers, and one that fails keeps nobody waiting."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from twisted.logger import globalLogPublisher

from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS
from mailbox_d.auth.ldap_realm.connection import AnswerFault, ConnectionGone, EndlessAnswer, ServerFault
from mailbox_d.auth.ldap_realm.directory import Query
from mailbox_d.auth.ldap_realm.entries import Entry
from mailbox_d.auth.ldap_realm.servers import OpenConnection, ServedDirectory, Servers
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.errors import AuthenticationUnavailable

QUERY = Query("dc=example", "(mail=x)")


class Site:
    """Servers by URI, of which some are down; a clock that stands; what was opened, closed and asked."""

    def __init__(self, *uris: str) -> None:
        self.now = 1000.0
        self.down: dict[str, Exception] = {}
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.asked: list[str] = []
        self.servers = Servers(uris, self.connect, clock=lambda: self.now)

    def connect(self, uri: str) -> Connection:
        self.opened.append(uri)
        if uri in self.down:
            raise ServerFault(f"{uri}: refused")
        return Connection(self, uri)

    def ask(self) -> str:
        return self.servers.do(lambda connection: connection.search(QUERY)[0].dn)


class Connection:
    """Answers with its URI, as the DN of an entry."""

    def __init__(self, site: Site, uri: str) -> None:
        self.site = site
        self.uri = uri
        self.ended = False

    def bind(self, dn: str, password: bytes) -> bool:
        raise NotImplementedError

    def search(self, query: Query) -> tuple[Entry, ...]:
        self.site.asked.append(self.uri)
        if self.ended:
            raise ConnectionGone("ended")
        if self.uri in self.site.down:
            raise self.site.down[self.uri]
        return (Entry(self.uri, {}),)

    def close(self) -> None:
        self.site.closed.append(self.uri)


def test_the_first_server_is_asked_over_one_connection() -> None:
    site = Site("a", "b")
    assert [site.ask() for _ in range(3)] == ["a", "a", "a"]
    assert site.opened == ["a"]


def test_the_next_one_takes_over_and_the_first_is_tried_again_later() -> None:
    site = Site("a", "b")
    site.ask()
    site.down["a"] = ServerFault("hangs")
    assert [site.ask(), site.ask()] == ["b", "b"]
    assert site.opened == ["a", "b"]
    assert site.closed == ["a"]
    site.down.clear()
    site.now += DEFAULT_BOUNDS.idle
    assert site.ask() == "a"


def test_a_connection_that_ended_is_no_fault_of_the_server() -> None:
    site = Site("a", "b")
    kept: list[OpenConnection] = []
    site.servers.do(kept.append)
    for connection in kept:
        connection.ended = True  # type: ignore[attr-defined]
    assert site.ask() == "a"
    assert (site.opened, site.closed) == (["a", "a"], ["a"])


def test_while_all_are_down_nobody_waits_for_one() -> None:
    site = Site("a", "b")
    site.down = {"a": ServerFault(""), "b": ServerFault("")}
    for _ in range(100):
        with pytest.raises(AuthenticationUnavailable):
            site.ask()
    assert site.opened == ["a", "b"]
    site.now += DEFAULT_BOUNDS.rest
    with pytest.raises(AuthenticationUnavailable):
        site.ask()
    assert site.opened == ["a", "b"] * 2
    site.down.clear()
    site.now += DEFAULT_BOUNDS.rest
    assert site.ask() == "a"


def test_a_question_without_an_answer_harms_no_other() -> None:
    site = Site("a", "b")
    site.ask()
    site.down["a"] = AnswerFault("the base is not there")
    with pytest.raises(AuthenticationUnavailable):
        site.ask()
    site.down.clear()
    assert site.ask() == "a"
    assert (site.opened, site.closed) == (["a"], [])


def test_what_nobody_foresaw_ends_the_connection() -> None:
    site = Site("a")
    with pytest.raises(ZeroDivisionError):
        site.servers.do(lambda _: 1 // 0)
    assert site.closed == ["a"]


def test_a_connection_that_is_old_is_ended() -> None:
    site = Site("a")
    site.ask()
    site.now += DEFAULT_BOUNDS.idle
    site.ask()
    assert (site.opened, site.closed) == (["a", "a"], ["a"])


def test_no_more_connections_are_kept_than_were_meant() -> None:
    site = Site("a")

    def nested(depth: int) -> None:
        site.servers.do(lambda _: nested(depth - 1) if depth else None)

    nested(2 * DEFAULT_BOUNDS.connections)
    assert len(site.opened) - len(site.closed) == DEFAULT_BOUNDS.connections


def test_an_answer_that_is_too_large_costs_its_connection_and_nobody_else() -> None:
    site = Site("a")
    site.ask()
    site.down["a"] = EndlessAnswer("a million members")
    with pytest.raises(AuthenticationUnavailable):
        site.ask()
    assert site.closed == ["a"]
    site.down.clear()
    assert site.ask() == "a"


def test_connections_that_nobody_wants_are_ended_while_another_one_is_busy() -> None:
    site = Site("a")

    def nested(depth: int) -> None:
        site.servers.do(lambda _: nested(depth - 1) if depth else None)

    nested(3)
    for _ in range(2):
        site.now += DEFAULT_BOUNDS.idle / 2
        site.ask()
    assert (len(site.opened), len(site.closed)) == (4, 3)


def test_after_the_stop_nobody_is_asked_and_nothing_is_a_server_s_fault() -> None:
    site = Site("a")
    lines: list[str] = []
    globalLogPublisher.addObserver(observe := lambda event: lines.append(str(event)))
    try:

        def stop(connection: OpenConnection) -> None:
            site.servers.stop()
            raise ServerFault("ended by us")

        for _ in range(2):
            with pytest.raises(AuthenticationUnavailable):
                site.servers.do(stop)
    finally:
        globalLogPublisher.removeObserver(observe)
    assert (site.opened, lines) == (["a"], [])


def test_a_connection_that_was_kept_is_not_used_while_its_server_rests() -> None:
    site = Site("a", "b")
    site.servers.do(lambda _: site.servers.do(lambda _: None))
    site.down["a"] = ServerFault("hangs")
    assert site.ask() == "b"
    assert site.asked == ["a", "b"]
    assert (site.opened, site.closed) == (["a", "a", "b"], ["a", "a"])


def test_tls_before_1_2_is_not_spoken_whatever_the_system_would_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    loose = ssl.create_default_context()
    loose.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile=None: loose)
    keys = {"uris": ["ldaps://ldap.example.net"], "base": "dc=example"}
    ServedDirectory(LdapRealm.model_validate(keys, context={"folder": Path("/")}))
    assert loose.minimum_version == ssl.TLSVersion.TLSv1_2
