"""What a session with another server may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Seconds, octets, counts; the defaults are the configuration's."""

    connect: float = 30.0
    conversation: float = 900.0
    """For all replies up to the one to DATA together, whatever each may take."""
    greeting: float = 300.0
    command: float = 300.0
    """For the reply to a command, also to DATA and to QUIT, where `farewell` is less."""
    data: float = 180.0
    """For the server to take one piece of a message."""
    minimum_rate: int = 500
    """Octets a second: the whole message must be taken within `data` and what it takes at this rate; 0: none."""
    end: float = 600.0
    """For its reply to the whole message."""
    handshake: float = 30.0
    farewell: float = 5.0
    """For its reply to QUIT, and for the connection to close."""
    reply: int = 32768
    reply_line: int = 2048
    piece: int = 65536
    """Octets of a message that are read, and sent, at once."""
