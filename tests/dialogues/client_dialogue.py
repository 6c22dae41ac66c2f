"""Dialogues of our client with a server that is written down: the format, and playing it (see README.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Notify, Recipient, Return
from mailbox_d.relay.peer.client import Destination
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.relay.ports import Login, Security, Shipment, TlsDemand, TlsState
from tests.dialogues.peer_client import ADDRESS, BODY, HOST, Outcome, PeerClient, shipment, told_of
from tests.dialogues.runner import Cut, whole

_NOTIFY = {"never": Notify.NEVER, "success": Notify.SUCCESS, "failure": Notify.FAILURE, "delay": Notify.DELAY}


@dataclass(frozen=True, slots=True)
class Step:
    """A word and what follows it; the octets of neighbouring `S` lines are one step."""

    word: str
    rest: str
    octets: bytes = b""


@dataclass(frozen=True, slots=True)
class ClientDialogue:
    """A conversation, and options for the session."""

    steps: tuple[Step, ...]
    options: dict[str, str]


def read(path: Path) -> ClientDialogue:
    """The dialogue in a file."""
    steps: list[Step] = []
    options: dict[str, str] = {}
    for line in path.read_text("utf-8").splitlines():
        word, _, rest = line.partition(" ")
        if not line or line.startswith("#"):
            continue
        if word == "WITH":
            name, _, value = rest.partition("=")
            options[name] = value
            continue
        step = Step("S:", rest, _octets(word, rest)) if word.startswith("S") and word[-1] == ":" else Step(word, rest)
        if step.word == "S:" and steps and steps[-1].word == "S:":
            step = replace(step, octets=steps.pop().octets + step.octets)
        steps.append(step)
    return ClientDialogue(tuple(steps), options)


def _octets(word: str, rest: str) -> bytes:
    match word:
        case "S:":
            return rest.encode() + b"\r\n"
        case "S-raw:":
            return rest.encode("latin-1").decode("unicode_escape").encode("latin-1")
        case "S-many:":
            count, _, line = rest.partition(" ")
            return int(count) * (line.encode() + b"\r\n")
    raise ValueError(f"{word} is not a word of dialogues")


def longest_step(dialogue: ClientDialogue) -> int:
    return max((len(step.octets) for step in dialogue.steps), default=0)


def play(dialogue: ClientDialogue, cut: Cut = whole) -> None:
    """Hold the conversation; an `AssertionError` tells where it went another way."""
    _Play(dialogue, cut).run()


class _Play:
    """One conversation being held."""

    def __init__(self, dialogue: ClientDialogue, cut: Cut) -> None:
        self._steps = dialogue.steps
        self._cut = cut
        self._client = PeerClient(_destination(dialogue.options), RelayLimits())
        self._outcome = self._client.opening
        self._said = b""
        self._story: list[str] = []
        self._client.accept()

    def run(self) -> None:
        for step in self._steps:
            self._story.append(f"{step.word} {step.rest or step.octets!r}")
            self._said += self._client.told
            try:
                self._do(step)
            except AssertionError as error:
                raise AssertionError("\n".join([*self._story[-20:], str(error)])) from error
        self._said += self._client.told
        assert self._said == b"", f"the client said more: {self._said!r}"

    def _do(self, step: Step) -> None:
        client = self._client
        if step.word not in ("C:", "C-raw:"):
            assert self._said == b"", f"the client said: {self._said!r}"
        match step.word:
            case "C:":
                self._expect(step.rest.encode() + b"\r\n")
            case "C-raw:":
                self._expect(step.rest.encode("latin-1").decode("unicode_escape").encode("latin-1"))
            case "S:":
                for piece in self._cut(step.octets):
                    client.hear(piece)
            case "OPEN":
                assert self._outcome.done, "the session is not open"
                assert told_of(self._outcome) == []
                assert client.session.is_usable
            case "SEND":
                self._outcome = client.start(client.session.send(_shipment(step.rest)))
            case "TOLD":
                lines = told_of(self._outcome)
                assert lines, "no more is told"
                assert re.fullmatch(".*".join(map(re.escape, step.rest.split("<any>"))), lines[0]), f"told: {lines[0]}"
                self._outcome = Outcome(self._outcome.result[1:] if self._outcome.result else (), done=True)
            case _:
                self._happen(step)

    def _happen(self, step: Step) -> None:
        client = self._client
        match step.word:
            case "TLS":
                assert client.transport.tls_begun, "the client did not begin TLS"
                security, _, failure = step.rest.partition(" ")
                client.finish_handshake(TlsState(Security[security.upper()], "TLSv1.3 X", failure and "bad", failure))
            case "TLS-FAILS":
                assert client.transport.tls_begun, "the client did not begin TLS"
                client.lose(Failure(SSL.Error([("SSL routines", "", step.rest)])))
            case "SECURITY":
                assert client.session.tls.security.word == step.rest, client.session.tls
            case "WAIT":
                client.wait(float(step.rest))
            case "WAITING":
                assert not self._outcome.done, f"it is over: {told_of(self._outcome)}"
            case "LOST":
                client.lose(Failure(ConnectionDone()))
            case "LEAVE":
                self._outcome = client.start(client.session.close())
            case "CANCEL":
                client.deferred.cancel()
                client.settle()
            case "USABLE" | "UNUSABLE":
                assert client.session.is_usable == (step.word == "USABLE")
            case "CLOSED":
                assert client.transport.disconnecting, "the client did not close"
                assert not client.transport.disconnected, "the client closed without good order"
                client.lose()
            case "ABORTED":
                assert client.transport.disconnected, "the client did not end the connection"
            case _:
                raise ValueError(f"{step.word} is not a word of dialogues")

    def _expect(self, octets: bytes) -> None:
        beginning = self._said[: len(octets)]
        assert beginning == octets, f"the client said: {self._said!r}"
        self._said = self._said[len(octets) :]


def _destination(options: Mapping[str, str]) -> Destination:
    """Options: `least=<security>`, `login=<name>:<password>`; `requiretls`, `implicit_tls`, `without_tls`: `yes`."""
    name, _, password = options.get("login", "").partition(":")
    return Destination(
        replace(HOST, port=465 if "implicit_tls" in options else 25),
        IPv4Address(ADDRESS),
        TlsDemand(
            least=Security[options.get("least", "plain").upper()],
            policy="configured",
            needs_requiretls="requiretls" in options,
        ),
        login=Login(name, password) if name else None,
        implicit_tls="implicit_tls" in options,
        without_tls="without_tls" in options,
    )


def _shipment(words: str) -> Shipment:
    """What `SEND` says: recipients, each perhaps with `notify=` and `original=` behind it, and what else it is like."""
    recipients: list[Recipient] = []
    envelope: dict[str, object] = {}
    body = BODY
    for word in words.split():
        name, equals, value = word.partition("=")
        if not equals or "@" in name:
            recipients.append(Recipient(EmailAddress.parse(word)))
        elif name == "notify":
            flags = [_NOTIFY[one] for one in value.split(",")]
            notify = Notify(sum(flag.value for flag in flags))
            recipients[-1] = replace(recipients[-1], notify=notify, said_notify=True)
        elif name == "original":
            recipients[-1] = replace(recipients[-1], original=value)
        elif name == "body":
            body = value.encode("latin-1").decode("unicode_escape").encode("latin-1")
        else:
            envelope[name] = _ENVELOPE[name](value)
    return shipment(recipients, body, **envelope)


def _sender(value: str) -> EmailAddress | None:
    return EmailAddress.parse(value) if value else None


_ENVELOPE = {
    "sender": _sender,
    "returns": Return,
    "envelope_id": str,
    "smtputf8": lambda value: value == "yes",
    "require_tls": lambda value: value == "yes",
}
