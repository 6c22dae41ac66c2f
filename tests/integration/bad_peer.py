"""An SMTP server on loopback that behaves as a script says, and notes all that it was told.

Without a script it is a good server: it takes everything, by STARTTLS if it was given a certificate. A script names
stages and what is done there instead, each time or the first times:

    with BadPeer({"rcpt": [Say("450 4.2.0 Not now")], "end": Close()}) as peer:
        ...                              # talk to peer.address, peer.port
        peer.wait_for_messages(1)

refuses the first recipient of all for now, and closes each connection where it should reply to the end of a message.
What is said decides what follows, as with any server: 220 to STARTTLS begins TLS, 354 to DATA takes a message.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TypeAlias

from mailbox_d.ctl.self_signed import CertificateFiles
from tests.integration.ports import HOST

STAGES = ("connect", "greeting", "ehlo", "helo", "starttls", "tls", "hello-inside-tls", "auth", "mail", "rcpt", "data")
STAGES += ("body", "end", "rset", "noop", "quit")
"""`connect`: accepted, before a greeting; `tls`: 220 was said to STARTTLS, before the handshake; `body`: 354 was said,
before anything is read; `end`: the whole message was read. Port 465's handshake is `tls` as well."""

EXTENSIONS = ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
WAIT = 30.0
_PIECE = 65536
_RECIPIENT_TAKEN = "250 2.1.5 Recipient taken"


@dataclass(frozen=True, slots=True)
class Say:
    """Say these lines, or these octets as they are, and go on as whoever says that goes on."""

    words: str | bytes

    @property
    def octets(self) -> bytes:
        return self.words if isinstance(self.words, bytes) else self.words.encode() + b"\r\n"


@dataclass(frozen=True, slots=True)
class Hang:
    """Do nothing, read nothing, until the client is gone or the peer is stopped."""


@dataclass(frozen=True, slots=True)
class Close:
    """Say these octets, then close the connection in good order."""

    words: bytes = b""


@dataclass(frozen=True, slots=True)
class Reset:
    """End the connection with RST."""


@dataclass(frozen=True, slots=True)
class Endless:
    """Say `first`, then `again` and again until the client is gone."""

    first: bytes = b""
    again: bytes = b"250-and another line\r\n"


@dataclass(frozen=True, slots=True)
class Late:
    """Wait for so many seconds, then be good."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for the event, then be good."""

    event: threading.Event


@dataclass(frozen=True, slots=True)
class Slowly:
    """At `body`: read so many octets at a time, with so many seconds between."""

    octets: int
    seconds: float


Act: TypeAlias = Say | Hang | Close | Reset | Endless | Late | Wait | Slowly
Script: TypeAlias = Mapping[str, Act | Sequence[Act | None]]

ENDLESS_LINE = Endless(b"250 ", b"x" * _PIECE)
"""One line that never ends."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was taken, as the client told it: `parameters` as they stand behind the paths, `octets` as on the
    wire without dots that were stuffed, `tls` the version or nothing, `login` as PLAIN or LOGIN gave it."""

    hello: str
    sender: str
    parameters: str
    recipients: tuple[str, ...]
    recipients_parameters: tuple[str, ...]
    octets: bytes
    tls: str
    login: tuple[str, str] | None
    connection: int


class DeafPeer:
    """A port to which no connection can be made: the kernel's queue for it is full, and nobody accepts."""

    def __init__(self, *, address: str = HOST, port: int = 0) -> None:
        self._listening = socket.create_server((address, port), backlog=0)
        self.address, self.port = self._listening.getsockname()[:2]
        self._filling: list[socket.socket] = []

    def __enter__(self) -> DeafPeer:
        for _ in range(4):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex((self.address, self.port))
            self._filling.append(connection)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for connection in (self._listening, *self._filling):
            connection.close()


class _Gone(Exception):
    """The connection is to end now."""


@dataclass
class _Transaction:
    sender: str = ""
    parameters: str = ""
    recipients: list[str] = field(default_factory=list)
    recipients_parameters: list[str] = field(default_factory=list)


class BadPeer:
    """The server: a thread that accepts, and one for each connection. Started and stopped as a context manager.

    `certificate`: offer STARTTLS with it; `implicit_tls`: begin with TLS; `extensions`: what EHLO tells beside
    STARTTLS, `tls_extensions` the same inside TLS; `drops_pipelined`: whatever came in one segment behind a command is
    thrown away; `receive_buffer`: octets that the kernel takes for us, so that who does not read is noticed;
    `recipient_reply`: what is said to RCPT for some addresses, where the script has nothing for it.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        address: str = HOST,
        port: int = 0,
        name: str = "peer.example.net",
        certificate: CertificateFiles | None = None,
        implicit_tls: bool = False,
        extensions: Sequence[str] = EXTENSIONS,
        tls_extensions: Sequence[str] | None = None,
        drops_pipelined: bool = False,
        receive_buffer: int | None = None,
        recipient_reply: Callable[[str], str | None] | None = None,
    ) -> None:
        self.script = dict(script or {})
        self.name = name
        self.implicit_tls = implicit_tls
        self.extensions = extensions
        self.tls_extensions = extensions if tls_extensions is None else tls_extensions
        self.drops_pipelined = drops_pipelined
        self.recipient_reply = recipient_reply or (lambda address: None)
        self.tls_context = None if certificate is None else _context(certificate)
        self.messages: list[Taken] = []
        self.read: list[bytes] = []
        """Messages that came whole, whatever was said to that."""
        self.commands: list[str] = []
        """Command lines, of all connections, in the order they came."""
        self.faults: list[str] = []
        """Bare CRs and LFs, and what else no client may send."""
        self.connections = 0
        self.most_at_once = 0
        self.stopped = threading.Event()
        self._changed = threading.Condition()
        self._counts: dict[str, int] = {}
        self._open: set[_Conversation] = set()
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server((address, port))
        if receive_buffer is not None:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.address, self.port = self._listening.getsockname()[:2]

    def __enter__(self) -> BadPeer:
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more, end all connections, wait for the threads."""
        self.stopped.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._changed:
            for conversation in self._open:
                with suppress(OSError):
                    conversation.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT)

    @property
    def open_connections(self) -> int:
        with self._changed:
            return len(self._open)

    def wait_for(self, condition: Callable[[], bool], seconds: float = WAIT) -> None:
        """Wait until the condition on what was noted is true. Raises `AssertionError` when it takes too long."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), f"{len(self.messages)} messages, told: {self.commands}"

    def wait_for_messages(self, count: int, seconds: float = WAIT) -> list[Taken]:
        """Wait until so many messages were taken."""
        self.wait_for(lambda: len(self.messages) >= count, seconds)
        return self.messages

    def wait_for_command(self, beginning: str, seconds: float = WAIT) -> None:
        """Wait until a command came that begins so."""
        self.wait_for(lambda: any(command.startswith(beginning) for command in self.commands), seconds)

    def wait_until_left(self, seconds: float = WAIT) -> None:
        """Wait until a client came and none is connected any more."""
        self.wait_for(lambda: self.connections > 0 and not self._open, seconds)

    def wait_until_alone(self, seconds: float = WAIT) -> None:
        """Wait until nobody is connected, if anybody ever was."""
        self.wait_for(lambda: not self._open, seconds)

    # -- what conversations tell --------------------------------------------------------------------------------

    def act_at(self, stage: str) -> Act | None:
        """What the script says of this time of the stage."""
        assert stage in STAGES, stage
        with self._changed:
            time_before = self._counts.get(stage, 0)
            self._counts[stage] = time_before + 1
            self._changed.notify_all()
            acts = self.script.get(stage)
            if not isinstance(acts, Sequence):
                return acts
            return acts[time_before] if time_before < len(acts) else None

    def times(self, stage: str) -> int:
        """How often the stage was reached."""
        with self._changed:
            return self._counts.get(stage, 0)

    def note_command(self, line: str) -> None:
        with self._changed:
            self.commands.append(line)
            self._changed.notify_all()

    def note_fault(self, fault: str) -> None:
        with self._changed:
            self.faults.append(fault)

    def note_read(self, octets: bytes) -> None:
        with self._changed:
            self.read.append(octets)
            self._changed.notify_all()

    def note_message(self, taken: Taken) -> None:
        with self._changed:
            self.messages.append(taken)
            self._changed.notify_all()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                conversation = _Conversation(self, connection, self.connections)
                self._open.add(conversation)
                self.most_at_once = max(self.most_at_once, len(self._open))
                self._changed.notify_all()
            self._begin(partial(self._serve, conversation))

    def _serve(self, conversation: _Conversation) -> None:
        with suppress(_Gone, OSError, ssl.SSLError):
            conversation.hold()
        with self._changed:
            self._open.discard(conversation)
            self._changed.notify_all()
        with suppress(OSError):
            conversation.socket.close()

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()


class _Conversation:
    """One connection."""

    def __init__(self, peer: BadPeer, connection: socket.socket, number: int) -> None:
        self.peer = peer
        self.socket = connection
        self.number = number
        self.buffer = b""
        self.hello = ""
        self.login: tuple[str, str] | None = None
        self.transaction = _Transaction()
        self.slowness: Slowly | None = None

    @property
    def tls(self) -> str:
        return (self.socket.version() or "") if isinstance(self.socket, ssl.SSLSocket) else ""

    def hold(self) -> None:
        self._at("connect")
        if self.peer.implicit_tls:
            self._begin_tls()
        self._reply("greeting", f"220 {self.peer.name} ESMTP")
        while True:
            line = self._line()
            self.peer.note_command(line)
            if self.peer.drops_pipelined:
                self.buffer = b""
            self._answer(line)

    def _answer(self, line: str) -> None:
        verb = line.split(" ")[0].upper()
        match verb:
            case "EHLO" | "HELO":
                self.hello = line[5:]
                self._greet(verb)
            case "STARTTLS" if self.peer.tls_context is not None and not self.tls:
                if self._reply("starttls", "220 2.0.0 Go ahead") == 220:
                    self._begin_tls()
            case "AUTH":
                self._authenticate(line)
            case "MAIL" | "RCPT":
                self._take_path(verb, *_path(line))
            case "DATA":
                usual = "354 Send it" if self.transaction.recipients else "554 5.5.1 No recipients"
                if self._reply("data", usual) == 354:
                    self._take_message()
            case "RSET" | "NOOP":
                self._reply(verb.lower(), "250 2.0.0 OK")
                self.transaction = _Transaction() if verb == "RSET" else self.transaction
            case "QUIT":
                self._reply("quit", "221 2.0.0 Bye")
                raise _Gone
            case _:
                self._send(b"500 5.5.1 What?\r\n")

    def _take_path(self, verb: str, path: str, parameters: str) -> None:
        if verb == "MAIL" and self._reply("mail", "250 2.1.0 Sender taken") < 300:
            self.transaction = _Transaction(path, parameters)
        elif verb == "RCPT" and self._reply("rcpt", self.peer.recipient_reply(path) or _RECIPIENT_TAKEN) < 300:
            self.transaction.recipients.append(path)
            self.transaction.recipients_parameters.append(parameters)

    def _greet(self, verb: str) -> None:
        words = self.peer.tls_extensions if self.tls else self.peer.extensions
        can_turn = self.peer.tls_context is not None and not self.tls
        lines = [self.peer.name, *(words if verb == "EHLO" else ()), *(["STARTTLS"] * (can_turn and verb == "EHLO"))]
        text = "\r\n".join(f"250{' ' if number == len(lines) else '-'}{word}" for number, word in enumerate(lines, 1))
        self._reply("hello-inside-tls" if self.tls else verb.lower(), text)

    def _begin_tls(self) -> None:
        self._at("tls")
        assert self.peer.tls_context is not None
        self.buffer = b""
        wrapped = self.peer.tls_context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.socket = wrapped
        wrapped.do_handshake()

    def _authenticate(self, line: str) -> None:
        """PLAIN or LOGIN; whatever comes is taken, unless the script says otherwise."""
        words = line.split(" ")
        said = words[2:] or [self._ask(b"")]
        if words[1].upper() == "LOGIN":
            said.append(self._ask(b"UGFzc3dvcmQ6"))
        plain = [text for word in said for text in _decoded(word).split("\0") if text]
        if self._reply("auth", "235 2.7.0 Welcome") == 235:
            self.login = (plain[0], plain[1])

    def _ask(self, challenge: bytes) -> str:
        self._send(b"334 " + challenge + b"\r\n")
        return self._line()

    def _take_message(self) -> None:
        act = self._at("body")
        self.slowness = act if isinstance(act, Slowly) else None
        octets = self._message()
        self.slowness = None
        self.peer.note_read(octets)
        if re.search(rb"(?<!\r)\n|\r(?!\n)", octets):
            self.peer.note_fault(f"connection {self.number}: a bare CR or LF in a message")
        transaction, self.transaction = self.transaction, _Transaction()
        if self._reply("end", "250 2.0.0 Taken") < 300:
            self.peer.note_message(
                Taken(
                    self.hello,
                    transaction.sender,
                    transaction.parameters,
                    tuple(transaction.recipients),
                    tuple(transaction.recipients_parameters),
                    octets,
                    self.tls,
                    self.login,
                    self.number,
                )
            )

    def _message(self) -> bytes:
        """What stands before CRLF.CRLF, its stuffed dots taken off, the last line's CRLF kept."""
        received = bytearray(b"\r\n" + self.buffer)
        searched = 0
        while (end := received.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(received) - 4)
            received += self._received()
        self.buffer = bytes(received[end + 5 :])
        return bytes(received[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]

    # -- stages and octets --------------------------------------------------------------------------------------

    def _reply(self, stage: str, usual: str) -> int:
        """Say what the script or a good server says; its code."""
        act = self._at(stage)
        words = act.octets if isinstance(act, Say) else usual.encode() + b"\r\n"
        self._send(words)
        code = re.match(rb"(?:\d{3}-[^\n]*\n)*(\d{3})", words)
        return int(code[1]) if code else 0

    def _at(self, stage: str) -> Act | None:
        act = self.peer.act_at(stage)
        match act:
            case Hang():
                self._hang()
            case Close(words):
                self._send(words)
                raise _Gone
            case Reset():
                self._reset()
            case Endless(first, again):
                self._send(first)
                while not self.peer.stopped.is_set():
                    self._send(again * (1 + _PIECE // len(again)))
            case Late(seconds):
                self.peer.stopped.wait(seconds)
            case Wait(event):
                event.wait(WAIT)
            case Say() if stage in ("connect", "tls", "body"):
                self._send(act.octets)
        return act

    def _hang(self) -> None:
        """Until the client is gone: looked for without reading, so that its octets stay where they are."""
        while not _has_left(self.socket) and not self.peer.stopped.wait(0.02):
            pass
        raise _Gone

    def _reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw = socket.socket(fileno=self.socket.detach())
        raw.close()
        raise _Gone

    def _line(self) -> str:
        while b"\n" not in self.buffer:
            self.buffer += self._received()
        line, _, self.buffer = self.buffer.partition(b"\n")
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            self.peer.note_fault(f"connection {self.number}: a command line with a bare CR or LF: {line!r}")
        return line.removesuffix(b"\r").decode("utf-8", "surrogateescape")

    def _received(self) -> bytes:
        if self.slowness is not None and self.peer.stopped.wait(self.slowness.seconds):
            raise _Gone
        data = self.socket.recv(self.slowness.octets if self.slowness is not None else _PIECE)
        if not data:
            raise _Gone
        return data

    def _send(self, data: bytes) -> None:
        self.socket.sendall(data)


def _has_left(connection: socket.socket) -> bool:
    """Whether the client closed or reset the connection, though what it sent before was not read."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return info[0] != 1  # TCP_ESTABLISHED


def _context(certificate: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


def _path(line: str) -> tuple[str, str]:
    """The path of MAIL or RCPT without its brackets, and the parameters behind it."""
    matched = re.fullmatch(r"[A-Z]+ (?:FROM|TO):<((?:\"(?:[^\"\\]|\\.)*\"|[^>\"])*)>(?: (.*))?", line, re.IGNORECASE)
    return (matched[1], matched[2] or "") if matched else (line, "")


def _decoded(word: str) -> str:
    return base64.b64decode(word).decode("utf-8", "replace")
