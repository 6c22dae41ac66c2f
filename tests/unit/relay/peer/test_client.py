"""Sessions that are opened and closed: addresses that may not be connected to, connections that are not made or not
waited for, and what of twisted.mail can be reached."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectBindError, ConnectionRefusedError, NoRouteError, TimeoutError
from twisted.mail import smtp

from mailbox_d.net.inherited import inherited_methods, is_method
from mailbox_d.relay.peer.client import Destination
from mailbox_d.relay.peer.connection import INHERITED, PeerConnection
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.ports import Host, TlsDemand
from tests.dialogues.peer_client import PeerClient, opened, shipment, told_of

DOCUMENT = Path(__file__).parents[4] / "docs" / "twisted.md"


def client_to(address: str) -> PeerClient:
    found = ip_address(address)
    return PeerClient(Destination(Host("mail.example.net", 2525, (found,)), found, TlsDemand()))


@pytest.mark.parametrize("address", ["192.0.2.25", "2001:db8::25"])
def test_an_address_is_connected_to_and_not_a_name(address: str) -> None:
    client = client_to(address)
    [(host, port, _, timeout, _)] = client.reactor.tcpClients
    assert (host, port, timeout) == (address, 2525, 30)


def test_an_address_that_is_not_allowed_is_not_connected_to() -> None:
    client = PeerClient(is_allowed=False)
    assert client.reactor.tcpClients == []
    assert told_of(client.opening) == [
        "connect 4.4.1 temporary: The server cannot be connected to (192.0.2.25 is no address that mail may be sent to)"
    ]


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(), NoRouteError(), TimeoutError(), ConnectBindError(), OSError()]
)
def test_a_connection_that_is_not_made(error: Exception) -> None:
    client = PeerClient()
    client.refuse(error)
    [told] = told_of(client.opening)
    assert told.startswith("connect 4.4.1 temporary: The server cannot be connected to (192.0.2.25 port 25: ")
    assert not client.session.is_usable
    assert client.times_gone == 0


def test_who_does_not_wait_for_the_connection_gets_none() -> None:
    client = PeerClient()
    client.deferred.cancel()
    assert client.opening.failure is not None
    [(_, _, factory, _, _)] = client.reactor.tcpClients
    assert client.reactor.connectors[0].stoppedConnecting
    assert factory is not None


@pytest.mark.parametrize("heard", [(), (b"220-",), (b"220 a\r\n",), (b"220 a\r\n", b"250-")])
def test_who_does_not_wait_for_the_session_leaves_no_connection(heard: tuple[bytes, ...]) -> None:
    client = PeerClient()
    client.accept()
    for data in heard:
        client.hear(data)
    client.deferred.cancel()
    client.settle()
    assert isinstance(client.opening.failure, CancelledError)
    assert client.transport.disconnected
    assert client.times_gone == 1
    assert not client.reactor.getDelayedCalls()


def test_a_server_that_says_each_thing_just_in_time_is_left() -> None:
    """Opening a session and the first envelope have fifteen minutes together."""
    client = PeerClient()
    client.accept()
    client.wait(290)
    client.hear(b"220 mail.example.net ESMTP\r\n")
    client.wait(290)
    client.hear(b"250 mail.example.net\r\n")
    assert client.opening.done
    client.wait(50)  # it rests
    outcome = client.start(client.session.send(shipment()))
    client.wait(290)
    client.hear(b"250 OK\r\n")
    client.wait(29)
    assert not outcome.done
    client.wait(1)
    assert told_of(outcome) == ["rcpt 4.4.2 temporary: The server took too long, taking a recipient"]
    assert client.transport.disconnected
    assert not client.reactor.getDelayedCalls()


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ([], "greeting 4.4.2 temporary: The server took too long, greeting"),
        ([b"220 a\r\n"], "hello 4.4.2 temporary: The server took too long, telling what it can do"),
    ],
)
def test_it_is_left_wherever_it_is_slow(heard: list[bytes], told: str) -> None:
    client = PeerClient(limits=RelayLimits(conversation=100))
    client.accept()
    for data in heard:
        client.wait(50)
        client.hear(data)
    client.wait(100 - 50 * len(heard))
    assert told_of(client.opening) == [told]
    assert client.transport.disconnected


def test_a_session_is_left_in_good_order() -> None:
    client = opened()
    leaving = client.start(client.session.close())
    assert client.told == b"QUIT\r\n"
    client.hear(b"221 Bye\r\n")
    assert client.transport.disconnecting
    assert not client.transport.disconnected
    assert client.transport.producer is None  # with one, TLS would not close
    assert not leaving.done
    client.lose()
    assert (leaving.done, leaving.failure, client.times_gone) == (True, None, 1)
    assert not client.reactor.getDelayedCalls()


def test_a_server_that_does_not_close_is_not_waited_for() -> None:
    client = opened()
    leaving = client.start(client.session.close())
    client.hear(b"221 Bye\r\n")
    for _ in range(100):
        client.hear(b"x" * 65536)
    assert client.connection._reader.buffered == 0
    client.wait(5)
    assert (leaving.done, leaving.failure) == (True, None)
    assert client.transport.disconnected
    assert client.times_gone == 1


@pytest.mark.parametrize("said", [b"999 Ha\r\n", b"421 Bye\r\n", b"500 What?\r\n"])
def test_whatever_the_reply_to_quit_the_session_ends(said: bytes) -> None:
    client = opened()
    leaving = client.start(client.session.close())
    client.hear(said)
    client.lose()
    assert (leaving.done, leaving.failure, client.times_gone) == (True, None, 1)


def test_who_does_not_wait_for_the_farewell_ends_it() -> None:
    client = opened()
    client.start(client.session.close())
    client.deferred.cancel()
    client.settle()
    assert client.transport.disconnected
    assert client.times_gone == 1


def test_closing_and_ending_twice_does_nothing() -> None:
    client = opened()
    client.session.abort()
    client.session.abort()
    client.settle()
    assert client.start(client.session.close()).done
    assert client.told == b""
    assert client.times_gone == 1


def test_a_session_that_was_never_opened_can_be_closed() -> None:
    client = PeerClient(is_allowed=False)
    assert client.start(client.session.close()).done
    assert not client.session.is_usable


def test_small_commands_do_not_wait_for_large_ones() -> None:
    client = PeerClient()
    client.transport.setTcpNoDelay = lambda on: setattr(client, "no_delay", on)  # type: ignore[method-assign]
    client.accept()
    assert client.no_delay is True  # type: ignore[attr-defined]


def test_an_endless_line_costs_no_more_than_its_limit() -> None:
    client = PeerClient(limits=RelayLimits(reply_line=512))
    client.accept()
    for _ in range(20):
        client.hear(b"220 " + b"x" * 100)
    assert told_of(client.opening) == [
        "greeting 4.5.0 temporary: The server broke the protocol, greeting (a line is too long)"
    ]
    assert client.connection._reader.buffered == 0


def test_a_reply_that_drips_has_the_time_of_one_reply() -> None:
    client = PeerClient()
    client.accept()
    for _ in range(299):
        client.hear(b"2")
        client.wait(1)
    assert not client.opening.done
    client.wait(1)
    assert told_of(client.opening) == ["greeting 4.4.2 temporary: The server took too long, greeting"]


def test_only_the_methods_on_the_list_resolve_to_twisted_mail() -> None:
    reachable = {
        name
        for owner in PeerConnection.__mro__
        if owner.__module__.startswith("twisted.mail")
        for name, value in vars(owner).items()
        if is_method(value) and not name.startswith("__") and getattr(PeerConnection, name) is getattr(owner, name)
    }
    assert reachable <= INHERITED
    assert inherited_methods(PeerConnection).keys() <= INHERITED
    assert "`PeerConnection`" in DOCUMENT.read_text("utf-8")


@pytest.mark.parametrize(
    "method",
    [
        "esmtpState_serverConfig",
        "esmtpState_starttls",
        "smtpState_data",
        "getMailData",
        "transformChunk",
        "lineReceived",
        "sendLine",
        "sendError",
        "authenticate",
        "tryTLS",
        "finishedFileTransfer",
        "_disconnectFromServer",
    ],
)
def test_a_sealed_method_raises(method: str) -> None:
    client: Any = opened().connection
    assert hasattr(smtp.ESMTPClient, method)
    with pytest.raises(NotImplementedError, match=method):
        getattr(client, method)(None, b"")


def test_a_session_goes_on_after_a_message_that_it_could_not_take() -> None:
    client = opened("SIZE 10")
    assert told_of(client.start(client.session.send(shipment()))) == [
        "mail 5.3.4 permanent: The message is larger than the server takes"
    ]
    assert client.session.is_usable
