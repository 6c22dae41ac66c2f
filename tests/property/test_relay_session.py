"""Whatever a server says, and however it is cut: a session ends in time, leaves nothing behind, believes no reply that
comes too early, and tells that a message was taken only where a server said so to all of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.ports import Handed, PeerFailure
from tests.dialogues.peer_client import PeerClient, shipment

BODY = b"Subject: x\r\n\r\n" + b".line\r\n" * 8
WIRE = BODY.replace(b"\r\n.", b"\r\n..") + b".\r\n"
RECIPIENTS = ("b@example.net", "c@example.net")
LIMITS = RelayLimits(piece=20)

REPLIES = (
    b"220 mail.example.net\r\n",
    b"250 OK\r\n",
    b"250-mail.example.net\r\n250 PIPELINING\r\n",
    b"250-mail.example.net\r\n250-PIPELINING\r\n250 SIZE 10\r\n",
    b"251 2.1.5 Elsewhere\r\n",
    b"354 Go\r\n",
    b"421 4.3.2 Bye\r\n",
    b"450 4.2.0 Later\r\n",
    b"550 5.1.1 Who?\r\n",
    b"552 Too many\r\n",
    b"999 Ha\r\n",
    b"250-",
    b"\0\xff\r\n",
)
LIKELY = (
    b"220 a\r\n",
    b"250-a\r\n250 PIPELINING\r\n",
    b"250 a\r\n",
    b"250 a\r\n",
    b"250 a\r\n",
    b"354 a\r\n",
    b"250 a\r\n",
)

anything = st.lists(st.sampled_from(REPLIES), max_size=9)
nearly_right = st.builds(
    lambda at, odd, count: [*LIKELY[:at], *odd, *LIKELY[at + len(odd) : at + len(odd) + count]],
    st.integers(0, len(LIKELY)),
    st.lists(st.sampled_from(REPLIES), max_size=2),
    st.integers(0, len(LIKELY)),
)
moments = st.lists(st.booleans(), max_size=9)


class Talk:
    """A session with a server that says what it likes, and sometimes reads nothing."""

    def __init__(self) -> None:
        self.client = PeerClient(limits=LIMITS)
        self.client.accept()
        self.outcome = self.client.opening
        self.sent = b""
        self.sending = False

    def hear(self, octets: bytes, full: bool) -> None:
        self.client.transport.is_full = full
        self.client.hear(octets)
        if not full and self.client.transport.producer is not None:
            self.client.transport.producer.resumeProducing()
            self.client.settle()
        self._go_on()
        self.sent += self.client.told

    def _go_on(self) -> None:
        """Send a message, once the session is open."""
        if self.outcome.done and self.outcome.failure is None and not self.sending:
            self.sending = True
            self.outcome = self.client.start(self.client.session.send(shipment(RECIPIENTS, BODY)))

    def end(self) -> None:
        self.client.wait(10_000)
        self._go_on()
        self.client.wait(10_000)
        self.sent += self.client.told


@given(anything | nearly_right, moments)
def test_a_session_ends_and_tells_the_truth(said: list[bytes], full: list[bool]) -> None:
    talk = Talk()
    for at, octets in enumerate(said):
        talk.hear(octets, full[at] if at < len(full) else False)
    talk.end()
    client, outcome = talk.client, talk.outcome
    assert outcome.done
    assert not client.reactor.getDelayedCalls()
    assert outcome.failure is None or isinstance(outcome.failure, PeerFailure)
    if isinstance(outcome.failure, PeerFailure):
        assert_failed(talk, outcome.failure)
    else:
        assert_told(talk, outcome.result, said)


def assert_failed(talk: Talk, failure: PeerFailure) -> None:
    impassable = not failure.temporary and failure.status == "5.3.4"
    assert impassable or talk.client.transport.disconnecting
    assert failure.temporary or impassable
    assert failure.status[0] == ("4" if failure.temporary else "5")
    assert failure.public.isascii()
    assert failure.may_have_it <= talk.sent.endswith(WIRE)


def assert_told(talk: Talk, handed: tuple[Handed, ...], said: list[bytes]) -> None:
    assert [str(one.recipient.address) for one in handed] == list(RECIPIENTS)
    assert talk.client.times_gone == (not talk.client.session.is_usable)
    for one in handed:
        assert one.taken == (one.reply.code < 300)
        assert one.reply.code // 100 in (2, 4, 5)
        if one.taken:
            assert WIRE in talk.sent
            assert sum(octets.startswith(b"2") for octets in said) >= 5  # the greeting, EHLO, MAIL, a RCPT, the end


@given(st.lists(st.binary(max_size=30), max_size=12))
def test_octets_that_mean_nothing_end_the_session(said: list[bytes]) -> None:
    talk = Talk()
    for octets in said:
        talk.hear(octets, False)
    talk.end()
    assert talk.outcome.done
    assert isinstance(talk.outcome.failure, PeerFailure)
    assert talk.client.times_gone == 1
    assert not talk.client.reactor.getDelayedCalls()
