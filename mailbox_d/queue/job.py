"""What is to be sent: one message to the recipients of one domain."""

from __future__ import annotations

from dataclasses import dataclass

from mailbox_d.queue.outcomes import MessageState


@dataclass(frozen=True, slots=True)
class Job:
    """A message for one domain. `due`: seconds since 1970; `sender`: the envelope sender, empty for none; `attempts`:
    how often was tried; `taken`: when it was claimed; `row`: where the schedule has it, 0 if it does not."""

    identifier: str
    domain: str
    sender: str
    due: float
    arrived: float
    octets: int
    attempts: int = 0
    is_held: bool = False
    taken: float = 0.0
    row: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Names it among all jobs."""
        return self.identifier, self.domain


def jobs_of(state: MessageState) -> tuple[Job, ...]:
    """What is still to be sent of a message."""
    message = state.message
    sender = "" if message.envelope.sender is None else str(message.envelope.sender)
    found: dict[str, Job] = {}
    for recipient in state.waiting():
        progress = state.of(recipient.address)
        domain = recipient.address.domain
        due, attempts = progress.due or message.arrived, progress.tries
        if (other := found.get(domain)) is not None:
            due, attempts = min(due, other.due), max(attempts, other.attempts)
        found[domain] = Job(
            message.identifier, domain, sender, due, message.arrived, message.octets, attempts, state.is_held
        )
    return tuple(found.values())
