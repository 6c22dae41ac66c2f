"""Asks the daemon over its control socket: blocking code, for a command that has nothing else to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair
from pathlib import Path

from mailbox_d.wire.control.answers import LINE_MAX, BadAnswer, parse_answer
from mailbox_d.wire.control.requests import PROTOCOL

CONNECT_SECONDS = 10.0


class NobodyAnswers(Exception):
    """There is no daemon at the socket."""


class NotAllowed(Exception):
    """There is something at the socket that will not talk to us; the text says why."""


@contextmanager
def connected(path: Path) -> Iterator[BufferedRWPair]:
    """A daemon that has said hello. Raises `NobodyAnswers`, `NotAllowed`, `BadAnswer`."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(CONNECT_SECONDS)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            raise NobodyAnswers(str(error)) from error
        except OSError as error:
            raise NotAllowed(error.strerror or str(error)) from error
        with connection.makefile("rwb") as stream:
            _expect_hello(stream)
            connection.settimeout(None)
            yield stream


def ask(stream: BufferedRWPair, line: bytes) -> Iterator[dict[str, object]]:
    """The answers to the line of a request as they come, `end` last. Raises `BadAnswer` where the daemon goes away
    before that."""
    stream.write(line)
    stream.flush()
    while True:
        answer = _next(stream)
        yield answer
        if answer["answer"] == "end":
            return


def _expect_hello(stream: BufferedRWPair) -> None:
    try:
        hello = _next(stream)
    except OSError as error:
        raise NotAllowed(f"no greeting: {error}") from error
    if hello["answer"] == "end":
        raise NotAllowed(str(hello.get("text", "")))
    if hello.get("protocol") != PROTOCOL:
        raise NotAllowed(f"the daemon is mailboxd {hello.get('mailboxd')}: use the mailboxctl that belongs to it")


def _next(stream: BufferedRWPair) -> dict[str, object]:
    try:
        line = stream.readline(LINE_MAX)
    except ConnectionError:
        line = b""
    if not line.endswith(b"\n"):
        raise BadAnswer("the daemon ended the connection in the middle of its answers")
    return parse_answer(line)
