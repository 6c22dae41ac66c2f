"""What accounts may hold, and when a message still fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailbox_d.address import EmailAddress
from mailbox_d.store.ports import QuotaLimits, Usage


def _nobody_is_limited(address: EmailAddress) -> QuotaLimits | None:
    return None


@dataclass(frozen=True, slots=True)
class QuotaRules:
    """The quotas of a site.

    `limits_of` tells a user's limits as they are known now, by the user's own address, None where nothing is known of
    the user; it waits for nothing and may be called from any thread. `grace`: percent of the octets by which the
    message that fills an account may go beyond them.
    """

    limits_of: Callable[[EmailAddress], QuotaLimits | None] = _nobody_is_limited
    grace: int = 10

    def limits(self, address: EmailAddress) -> QuotaLimits | None:
        """A user's limits; None where there are none."""
        limits = self.limits_of(address)
        return None if limits == QuotaLimits() else limits

    def admit(self, limits: QuotaLimits, usage: Usage, wanted: Usage) -> bool:
        """Whether what is wanted fits beside what is there. To want nothing fits unless there is too much already."""
        if limits.messages is not None and usage.messages + wanted.messages > limits.messages:
            return False
        if limits.octets is None or usage.octets + wanted.octets <= limits.octets:
            return True
        return (
            usage.octets < limits.octets and usage.octets + wanted.octets <= limits.octets * (100 + self.grace) // 100
        )


class AccountLimits:
    """One account's limits: as they are known now, and where nothing is known of the user any more, as they were. Safe
    to call from any thread."""

    def __init__(self, rules: QuotaRules, address: EmailAddress) -> None:
        self._rules = rules
        self._address = address
        self._last = rules.limits_of(address)

    def __call__(self) -> QuotaLimits | None:
        """The limits; None where there are none."""
        said = self._rules.limits_of(self._address)
        if said is None:
            said = self._last
        self._last = said
        return None if said == QuotaLimits() else said
