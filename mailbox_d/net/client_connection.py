"""What a session may ask of the connection that it lives on, whatever the protocol: the session's view of its shell."""

from __future__ import annotations

from typing import Protocol

from mailbox_d.wire.sasl.mechanisms import Terms


class ClientConnection(Protocol):
    """A session shell as its session sees it."""

    @property
    def peer(self) -> str:
        """The client's address."""

    @property
    def is_tls(self) -> bool:
        """Whether nobody can listen."""

    def sasl_terms(self, limit: int) -> Terms:
        """What a SASL exchange on this connection is held to; `limit`: octets of a response in base64."""

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

    def dismiss(self) -> None:
        """The user may be here no more: end as soon as no command runs."""

    def close(self, farewell: bytes = b"") -> None:
        """Say farewell and close."""
