"""Whose mail it is that goes on elsewhere: the senders that we give it, and those that reports about it go to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.application.service import Service

from mailbox_d.address import EmailAddress
from mailbox_d.errors import StorageFault
from mailbox_d.policy.srs import SenderRewriting
from mailbox_d.relay.intake.srs_keys import read_or_make_keys


class Forwarding(Service):
    """Reads its keys when the daemon starts. `rewrites`: whether senders are rewritten; those that were are known all
    the same."""

    def __init__(
        self, keys: Path, is_ours: Callable[[str], bool], *, rewrites: bool, clock: Callable[[], float]
    ) -> None:
        self._keys = keys
        self._is_ours = is_ours
        self._rewrites = rewrites
        self._clock = clock
        self._rewriting: SenderRewriting | None = None

    def startService(self) -> None:
        try:
            self._rewriting = SenderRewriting(read_or_make_keys(self._keys), self._clock)
        except StorageFault as error:
            raise OSError(f"{self._keys}: {error.cause}") from error
        Service.startService(self)

    def sender(self, sender: EmailAddress | None, via: EmailAddress) -> EmailAddress | None:
        """The sender of mail that an address of ours forwards: one of ours, so that SPF finds us. Where the rewritten
        one would be too long it is the forwarding address itself, to which reports then go."""
        if sender is None or self._is_ours(sender.domain) or not self._rewrites or self._rewriting is None:
            return sender
        return self._rewriting.rewritten(sender, via.domain) or via

    def original(self, address: EmailAddress) -> EmailAddress | None:
        """The sender that an address of ours was made of; None where we did not make it, or too long ago."""
        return None if self._rewriting is None else self._rewriting.original(address)
