"""What a session may ask of the connection that it lives on, whatever the protocol: the session's view of its shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class ClientConnection(Protocol):
    """A session shell as its session sees it."""

    @property
    def peer(self) -> str:
        """The client's address."""

    @property
    def is_tls(self) -> bool:
        """Whether nobody can listen."""

    def channel_bindings(self) -> Mapping[str, bytes]:
        """What an exchange on this connection can be bound to; nothing without TLS."""

    @property
    def can_start_tls(self) -> bool:
        """Whether TLS could still begin."""

    def send(self, data: bytes) -> None:
        """Send behind everything that was sent."""

    async def drained(self) -> None:
        """Wait for a client that reads slowly. Raises `ConnectionDone`."""

    async def give_way(self) -> None:
        """Let others have their turn. Raises `ConnectionDone`."""

    async def start_tls(self) -> None:
        """Begin TLS; this session is over, and another takes its place."""

    def close(self, farewell: bytes = b"") -> None:
        """Say farewell and close."""
