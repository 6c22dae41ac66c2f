"""An IMAP client of lines: it sends a command and gives back everything that the server said meanwhile."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from itertools import count

from tests.integration.site import HOST, PASSWORD

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


@dataclass(frozen=True, slots=True)
class Said:
    """One response: its line, literals left out, and those literals."""

    line: bytes
    literals: tuple[bytes, ...] = ()


class Refused(Exception):
    """The server answered a command with something else than OK."""


class ImapLines:
    """A logged-in session. Raises `ConnectionError` where the server is gone, `Refused`."""

    def __init__(self, port: int, user: str, *, seconds: float = 150) -> None:
        """`seconds`: how long a response may take; a lock of a dead process is waited for two minutes at most."""
        self._socket = socket.create_connection((HOST, port), seconds)
        self._file = self._socket.makefile("rb")
        self._tags = count(1)
        if not self._line():
            raise ConnectionResetError("the server closed the connection")
        self.do(f"LOGIN {user} {PASSWORD}".encode())

    def do(self, command: bytes, literal: bytes | None = None) -> list[Said]:
        """Run a command, with a literal behind it, to its tagged response, which comes last."""
        tag = b"c%d" % next(self._tags)
        if literal is None:
            self._socket.sendall(b"%b %b\r\n" % (tag, command))
        else:
            self._socket.sendall(b"%b %b {%d+}\r\n%b\r\n" % (tag, command, len(literal), literal))
        responses = [self.response()]
        while not responses[-1].line.startswith(tag + b" "):
            responses.append(self.response())
        if not responses[-1].line.startswith(tag + b" OK"):
            raise Refused(f"{command.decode()}: {responses[-1].line.decode()}")
        return responses

    def idle(self) -> None:
        """Begin IDLE; what is told then is read with `response`."""
        self._socket.sendall(b"idle IDLE\r\n")
        while not self.response().line.startswith(b"+"):
            pass

    def done(self) -> None:
        self._socket.sendall(b"DONE\r\n")
        while not self.response().line.startswith(b"idle OK"):
            pass

    def response(self) -> Said:
        line, literals = self._line(), []
        while found := _LITERAL.search(line):
            literals.append(self._file.read(int(found[1])))
            line = line[: found.start()] + self._line()
        return Said(line.rstrip(b"\r\n"), tuple(literals))

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the server closed the connection")
        return line
