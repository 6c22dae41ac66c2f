"""Coroutines and lanes where nothing waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred


async def at_once(work: Callable[..., Any], *args: Any) -> Any:
    """A lane's `run` that does the work where it stands."""
    return work(*args)


def done(work: Any) -> Any:
    """What a coroutine that waits for nothing gives, or raises."""
    outcome: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(outcome.append)
    assert outcome, "it waits for something"
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]
