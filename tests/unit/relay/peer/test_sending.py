"""Messages over a session in memory: pieces and their pace, what fails on the way, and what is never sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Recipient
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.ports import PeerFailure
from mailbox_d.wire.smtp.framer import DataPiece, Framing, SMTPFramer
from tests.dialogues.peer_client import (
    MemoryContent,
    Outcome,
    PeerClient,
    SlowContent,
    opened,
    shipment,
    told_of,
)

PIECES = RelayLimits(piece=10)
LONG = b"Subject: x\r\n\r\n" + b"a line\r\n" * 10


def ready(content: MemoryContent, *, limits: RelayLimits = PIECES, header: bytes = b"") -> tuple[PeerClient, Outcome]:
    """A client that has heard 354, and what it is at."""
    client = opened("PIPELINING", limits=limits)
    outcome = client.start(client.session.send(shipment(body=content, header=header)))
    assert client.told.endswith(b"DATA\r\n")
    client.hear(b"250 OK\r\n250 OK\r\n")
    return client, outcome


def go(client: PeerClient) -> bytes:
    client.hear(b"354 Send it\r\n")
    return client.told


def pause(client: PeerClient) -> None:
    """The server reads no more."""
    client.transport.is_full = True


def take(client: PeerClient) -> None:
    """The server reads what there is."""
    client.transport.producer.resumeProducing()
    client.settle()


def test_a_message_goes_out_at_the_pace_of_the_server() -> None:
    content = MemoryContent(LONG)
    client, outcome = ready(content)
    pause(client)
    assert go(client) == LONG[:10]
    assert content.read_to <= 20
    take(client)
    assert client.told == LONG[10:20]
    client.transport.is_full = False
    take(client)
    client.hear(b"250 OK\r\n")
    assert client.told == LONG[20:] + b".\r\n"
    assert told_of(outcome) == ["b@example.net taken: 250 2.0.0 OK"]


def test_each_piece_has_its_time() -> None:
    client, outcome = ready(MemoryContent(LONG), limits=RelayLimits(piece=10, minimum_rate=0))
    pause(client)
    go(client)
    for _ in range(3):
        client.wait(179)
        take(client)
        assert not outcome.done
    client.wait(180)
    assert told_of(outcome) == ["body 4.4.2 temporary: The server took too long, taking the message"]
    assert client.transport.disconnected
    assert client.times_gone == 1


@pytest.mark.parametrize("rest", [0, 60])
def test_a_server_that_takes_piece_after_piece_just_in_time_is_left(rest: int) -> None:
    """At 500 octets a second it has 3 minutes and 2 seconds for a thousand."""
    client, outcome = ready(MemoryContent(b"x" * 1000), limits=RelayLimits(piece=100))
    pause(client)
    go(client)
    for _ in range(3):
        client.wait(60)
        take(client)
    assert not outcome.done
    client.wait(1.9)
    take(client)
    assert not outcome.done
    client.wait(0.1 + rest)
    assert told_of(outcome) == ["body 4.4.2 temporary: The server took too long, taking the message"]
    assert client.transport.disconnected
    assert not client.reactor.getDelayedCalls()


def test_a_message_is_given_the_time_that_its_length_takes_and_its_reply_a_time_of_its_own() -> None:
    client, outcome = ready(MemoryContent(b"x" * 100_000), limits=RelayLimits(piece=25_000))
    pause(client)
    go(client)
    for _ in range(3):
        client.wait(94)
        take(client)
    client.wait(94)
    client.transport.is_full = False
    take(client)
    assert client.told.endswith(b"\r\n.\r\n")
    client.wait(599)
    client.hear(b"250 OK\r\n")
    assert told_of(outcome) == ["b@example.net taken: 250 2.0.0 OK"]


def test_what_we_take_for_reading_a_message_is_not_the_servers_time() -> None:
    content = SlowContent(b"x" * 20)
    client, outcome = ready(content)
    go(client)
    client.wait(10_000)
    content.go.callback(None)
    client.settle()
    client.hear(b"250 OK\r\n")
    assert told_of(outcome) == ["b@example.net taken: 250 2.0.0 OK"]


def test_an_envelope_has_its_time_whatever_each_reply_may_take() -> None:
    client = opened()
    outcome = client.start(client.session.send(shipment([f"b{number}@example.net" for number in range(10)])))
    for _ in range(3):
        client.wait(299)
        client.hear(b"250 OK\r\n")
    assert not outcome.done
    client.wait(3)
    assert told_of(outcome) == ["rcpt 4.4.2 temporary: The server took too long, taking a recipient"]
    assert client.transport.disconnected


def test_each_message_of_a_session_has_that_time_anew() -> None:
    client = opened()
    for _ in range(3):
        outcome = client.start(client.session.send(shipment()))
        for reply in (b"250 OK\r\n", b"250 OK\r\n", b"354 Send it\r\n", b"250 OK\r\n"):
            client.wait(250)
            client.hear(reply)
        assert told_of(outcome) == ["b@example.net taken: 250 2.0.0 OK"]
    outcome = client.start(client.session.send(shipment()))
    for reply in (b"250 OK\r\n", b"250 OK\r\n"):
        client.wait(290)
        client.hear(reply)
    client.wait(320)
    assert told_of(outcome) == ["data 4.4.2 temporary: The server took too long, taking the message"]


def test_who_does_not_read_the_end_of_a_message_has_no_longer() -> None:
    client, outcome = ready(MemoryContent(b"x\r\n"))
    pause(client)
    assert go(client) == b"x\r\n.\r\n"
    client.wait(180)
    assert told_of(outcome) == ["end 4.4.2 temporary may-have-it: The server took too long, acknowledging the message"]


def test_fields_in_front_of_the_message_are_sent_first() -> None:
    client, outcome = ready(MemoryContent(LONG), header=b".Field: a\r\n b\r\n")
    assert go(client) == b"..Field: a\r\n b\r\n" + LONG + b".\r\n"
    client.hear(b"250 OK\r\n")
    assert outcome.done


@given(st.lists(st.sampled_from([b"\r\n", b".", b"..", b"x", b"\r\n."]), max_size=30).map(b"".join), st.integers(1, 9))
def test_attack_4_a_server_reads_the_message_whatever_the_pieces(body: bytes, piece: int) -> None:
    client, outcome = ready(MemoryContent(body), limits=RelayLimits(piece=piece), header=b"A: b\r\n")
    framer = SMTPFramer(1000)
    framer.begin_data()
    framer.feed(go(client))
    read = b""
    while isinstance(event := framer.next_event(), DataPiece):
        read += event.octets
    assert event is Framing.END_OF_DATA
    assert framer.buffered == 0
    whole = b"A: b\r\n" + body
    assert read == (whole if whole.endswith(b"\r\n") else whole + b"\r\n")
    client.hear(b"250 OK\r\n")
    assert outcome.done


@pytest.mark.parametrize("body", [b"x\n", b"x\ry", b"x\r"])
def test_attack_3_a_bare_newline_is_found_before_the_message_is_announced(body: bytes) -> None:
    client = opened("PIPELINING")
    outcome = client.start(client.session.send(shipment(body=body)))
    assert client.told == b""
    assert told_of(outcome) == [
        "body 5.6.0 permanent: The message has line ends that are not allowed"
        " (a bare CR or LF stands in queued message q1)"
    ]


def test_attack_3_a_bare_newline_further_on_ends_the_connection_and_not_the_message() -> None:
    client, outcome = ready(MemoryContent(LONG + b"\n.\nQUIT\r\n"))
    assert go(client) == LONG[: len(LONG) - len(LONG) % 10]
    assert told_of(outcome)[0].startswith("body 5.6.0 permanent")
    assert client.transport.disconnected


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (MemoryContent(LONG, fails_at=50), "The message cannot be read (I/O error)"),
        (MemoryContent(LONG, lacks=50), f"it ends after {len(LONG) - 50} octets of {len(LONG)}"),
    ],
)
def test_a_message_that_cannot_be_read_to_its_end_is_not_ended(content: MemoryContent, why: str) -> None:
    client, outcome = ready(content)
    sent = go(client)
    assert LONG.startswith(sent)
    assert told_of(outcome) == [f"body 4.3.0 temporary: The message cannot be read now ({why})"]
    assert client.transport.disconnected


def test_a_refusal_in_the_middle_of_a_message_is_its_reply() -> None:
    client, outcome = ready(MemoryContent(LONG))
    pause(client)
    go(client)
    client.hear(b"552 5.3.4 Too")
    assert not outcome.done
    client.hear(b" big\r\n")
    assert client.told == b""
    assert told_of(outcome) == ["b@example.net refused: 552 5.3.4 Too big"]
    assert client.transport.disconnected
    assert not client.session.is_usable


def test_a_refusal_before_the_connection_breaks_off_is_the_reply() -> None:
    content = SlowContent(LONG)
    client, outcome = ready(content)
    go(client)
    client.hear(b"554 5.7.1 Spam\r\n")
    client.lose(Failure(ConnectionLost()))
    content.go.callback(None)
    assert told_of(outcome) == ["b@example.net refused: 554 5.7.1 Spam"]


def test_a_server_that_closes_in_the_middle_of_a_message() -> None:
    client, outcome = ready(MemoryContent(LONG))
    pause(client)
    go(client)
    client.hear(b"421 4.3.2 Shutting down\r\n")
    assert told_of(outcome) == ["body 4.3.2 temporary: The server refused, taking the message"]


@pytest.mark.parametrize("early", [b"250 Taken\r\n", b"354 Send more\r\n"])
def test_no_reply_counts_that_comes_before_the_end_of_the_message(early: bytes) -> None:
    client, outcome = ready(MemoryContent(LONG))
    pause(client)
    go(client)
    client.hear(early)
    [told] = told_of(outcome)
    assert told.startswith("body 4.5.0 temporary: The server broke the protocol, taking the message (it replied before")
    assert client.told == b""
    assert client.transport.disconnected


@pytest.mark.parametrize(
    ("early", "told"),
    [
        (b"552 5.3.4 Too big\r\n", "b@example.net refused: 552 5.3.4 Too big"),
        (b"250 Taken\r\n", "body 4.5.0 temporary: The server broke the protocol, taking the message"),
    ],
)
def test_who_speaks_before_it_has_read_the_end_has_not_read_it(early: bytes, told: str) -> None:
    client, outcome = ready(MemoryContent(b"x\r\n"))
    pause(client)
    assert go(client) == b"x\r\n.\r\n"
    client.hear(early)
    assert told_of(outcome)[0].startswith(told)
    assert client.transport.disconnected


def test_no_reply_counts_that_comes_with_the_go_ahead() -> None:
    client = opened("PIPELINING")
    outcome = client.start(client.session.send(shipment()))
    client.hear(b"250 OK\r\n250 OK\r\n354 Send it\r\n250 Taken, whatever it is\r\n")
    assert client.told.endswith(b"DATA\r\n")
    assert told_of(outcome)[0].startswith("body 4.5.0 temporary")


def test_no_reply_counts_that_comes_before_its_command() -> None:
    client = opened()
    outcome = client.start(client.session.send(shipment()))
    client.hear(b"250 OK\r\n250 OK\r\n")
    assert told_of(outcome) == [
        "rcpt 4.5.0 temporary: The server broke the protocol, taking a recipient (it spoke before it was asked)"
    ]


def test_who_speaks_without_end_while_the_disk_is_waited_for_is_not_kept() -> None:
    content = SlowContent(LONG)
    client, outcome = ready(content)
    go(client)
    for _ in range(40):
        client.hear(b"250-x\r\n" * 140)
    assert client.transport.disconnected
    assert client.connection._reader.buffered < 40_000
    content.go.callback(None)
    assert told_of(outcome)[0].startswith("body 4.5.0 temporary")


def test_what_the_disk_says_after_the_connection_is_gone_is_not_sent() -> None:
    content = SlowContent(LONG)
    client, outcome = ready(content)
    go(client)
    client.lose(Failure(ConnectionLost()))
    assert not outcome.done
    content.go.callback(None)
    assert told_of(outcome)[0].startswith("body 4.4.2 temporary: The connection broke off")


@pytest.mark.parametrize("heard", [b"", b"250 OK\r\n", b"250 OK\r\n250 OK\r\n", b"250 OK\r\n250 OK\r\n354 Go\r\n"])
def test_who_waits_no_more_leaves_no_connection(heard: bytes) -> None:
    client = opened("PIPELINING")
    outcome = client.start(client.session.send(shipment()))
    client.hear(heard)
    client.deferred.cancel()
    client.settle()
    assert isinstance(outcome.failure, CancelledError)
    assert client.transport.disconnected
    assert client.times_gone == 1
    assert not client.reactor.getDelayedCalls()


def test_no_timer_is_left_behind() -> None:
    client, outcome = ready(MemoryContent(LONG))
    go(client)
    client.hear(b"250 OK\r\n")
    assert outcome.done
    assert not client.reactor.getDelayedCalls()
    client.wait(3600)
    assert client.session.is_usable


def test_a_command_that_cannot_be_said_is_not() -> None:
    client = opened("PIPELINING", "DSN")
    outcome = client.start(client.session.send(shipment(envelope_id="x\r\nRCPT TO:<c@example.net>")))
    assert client.told == b""
    assert isinstance(outcome.failure, ValueError)
    assert client.transport.disconnected


def test_many_recipients_in_one_segment() -> None:
    client = opened("PIPELINING")
    names = [f"u{number}@example.net" for number in range(100)]
    outcome = client.start(client.session.send(shipment(names)))
    assert client.told.count(b"RCPT TO:") == 100
    client.hear(b"250 OK\r\n" + b"250 OK\r\n550 5.1.1 Who?\r\n" * 50 + b"354 Go\r\n")
    client.hear(b"250 OK\r\n")
    told = told_of(outcome)
    assert told[:2] == ["u0@example.net taken: 250 2.0.0 OK", "u1@example.net refused: 550 5.1.1 Who?"]
    assert len(told) == 100


def test_the_failure_tells_the_reply_that_is_its_reason() -> None:
    client = opened()
    outcome = client.start(client.session.send(shipment()))
    client.hear(b"421 4.3.2 Shutting down\r\n")
    assert isinstance(outcome.failure, PeerFailure)
    assert outcome.failure.reply is not None
    assert (outcome.failure.reply.code, outcome.failure.reply.text) == (421, "4.3.2 Shutting down")


def test_an_address_that_cannot_be_said_is_a_failure_for_good_and_leaves_the_session_as_it_was() -> None:
    """One that was queued before such addresses were refused where they come in."""
    client = opened("PIPELINING", "SMTPUTF8")
    zero_width = EmailAddress("\u200berin", "example.net")
    for unspeakable in (shipment([Recipient(zero_width)]), shipment(sender=zero_width)):
        outcome = client.start(client.session.send(unspeakable))
        assert isinstance(outcome.failure, PeerFailure)
        assert (outcome.failure.status, outcome.failure.temporary) == ("5.1.3", False)
    assert client.session.is_usable
    assert b"MAIL" not in client.told
