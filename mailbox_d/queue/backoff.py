"""When a recipient is tried again, when its sender is told that it is late, and when it is given up.

The clock is the wall clock, since messages outlive the machine's boots; it may jump. So a message's age is not now less
its arrival: it is the sum of the times between its attempts (the first begins at its arrival), of which each counts as
no less than nothing and no more than twice `retry_most`. From that follows:

- A jump forward ages a message by twice `retry_most` at most, and only an attempt after it finds it old: the outcome of
  an attempt is what makes a message late or given up, never the clock alone.
- A jump backward ages nothing. What is due further in the future than twice `retry_most` was put there by another
  clock, and is due now.
- A queue that stood still, held or for want of a daemon, gives nothing up for that time.
- Where nothing is to be sent, attempts only say so: they add neither to an age nor to the tries.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Attempt, Parcel, Queued
from mailbox_d.queue.outcomes import Progress

_JITTER = 0.25
"""Of a wait, up to this part is added or taken off by chance."""

_DOUBLINGS_MAX = 40


@dataclass(frozen=True, slots=True)
class Backoff:
    """The rules, in seconds; `chance` gives numbers from 0 to 1; `counts`: whether attempts count for anything."""

    retry_after: float = 300.0
    retry_most: float = 4 * 3600.0
    warn_after: float = 4 * 3600.0
    give_up_after: float = 5 * 86400.0
    chance: Callable[[], float] = random.random
    counts: bool = True

    def wait(self, tries: int, age: float) -> float:
        """How long after the attempt of this number (from 1) the next one is due: so that the last one comes when the
        message is to be given up."""
        plain = min(self.retry_after * 2.0 ** min(tries - 1, _DOUBLINGS_MAX), self.retry_most)
        drawn = min(plain * (1 - _JITTER + 2 * _JITTER * self.chance()), self.retry_most)
        return max(min(drawn, self.give_up_after - age), min(drawn, self.retry_after * (1 - _JITTER)))

    def age(self, message: Queued, progress: Progress, now: float) -> float:
        """For how long a recipient has waited."""
        if not self.counts:
            return progress.age
        last = message.arrived if progress.last is None else progress.last.at
        return progress.age + self._counted(now - last)

    def after(self, attempt: Attempt, message: Queued, before: Progress, now: float) -> Progress:
        """How far a recipient is with an attempt that has just been made."""
        age, tries = self.age(message, before, attempt.at), before.tries + self.counts
        due = 0.0 if attempt.is_final else now + self.wait(max(tries, 1), age)
        return Progress(attempt, tries, age, due, before.is_warned)

    def is_due(self, due: float, now: float) -> bool:
        return due <= now or due > self.latest(now)

    def latest(self, now: float) -> float:
        """Beyond this nothing is due that this clock has put there."""
        return now + 2 * self.retry_most

    def expired(self, parcel: Parcel, now: float) -> frozenset[EmailAddress]:
        """Whom an attempt that has just come to nothing is the last one for."""
        return self._older(parcel, now, self.give_up_after)

    def late(self, parcel: Parcel, now: float) -> frozenset[EmailAddress]:
        """Whose sender is to be told that the message is late, after an attempt that has just come to nothing."""
        return self._older(parcel, now, self.warn_after) - parcel.warned

    def _older(self, parcel: Parcel, now: float, seconds: float) -> frozenset[EmailAddress]:
        found = set()
        for recipient in parcel.waiting:
            address = recipient.address
            progress = Progress(parcel.last.get(address), age=parcel.ages.get(address, 0.0))
            if self.age(parcel.message, progress, now) >= seconds:
                found.add(address)
        return frozenset(found)

    def _counted(self, seconds: float) -> float:
        return min(max(seconds, 0.0), 2 * self.retry_most)
