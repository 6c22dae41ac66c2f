"""What is remembered of DNS, for how long and how much."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.net.dns_cache import FAILED_SECONDS, DnsCache
from mailbox_d.wire.dns.answers import Reading
from mailbox_d.wire.dns.questions import Question, RecordType
from mailbox_d.wire.dns.records import MX, Answer, LookupFailed


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def asked(name: str) -> Question:
    return Question(name, RecordType.MX)


def told(ttl: int) -> Reading[Any]:
    return Reading(Answer((MX(ttl, "mx"),)), ttl)


def test_an_answer_is_kept_as_long_as_it_says() -> None:
    clock = Clock()
    cache = DnsCache(10, clock)
    cache.keep(asked("a"), told(60))
    cache.keep(asked("b"), told(0))
    assert cache.find(asked("b")) is None
    clock.now += 59.9
    assert cache.find(asked("a")) == told(60)
    assert cache.find(Question("a", RecordType.A)) is None
    clock.now += 0.1
    assert cache.find(asked("a")) is None
    assert len(cache) == 0


def test_a_failure_is_kept_for_a_moment_and_gives_way_to_an_answer() -> None:
    clock = Clock()
    cache = DnsCache(10, clock)
    cache.keep_failure(asked("a"), LookupFailed("DNS gave no answer", cause="it was refused"))
    failures = []
    for _ in range(2):
        with pytest.raises(LookupFailed, match="it was refused") as failed:
            cache.find(asked("a"))
        failures.append(failed.value)
    assert failures[0] is not failures[1]
    clock.now += FAILED_SECONDS
    assert cache.find(asked("a")) is None
    cache.keep_failure(asked("a"), LookupFailed("DNS gave no answer"))
    cache.keep(asked("a"), told(9))
    assert cache.find(asked("a")) == told(9)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=60))
def test_who_was_asked_for_least_lately_goes_first(steps: list[tuple[bool, int]]) -> None:
    cache, model = DnsCache(4, Clock()), list[int]()
    for is_kept, number in steps:
        question = asked(str(number))
        if is_kept:
            cache.keep(question, told(60))
            model = [*(kept for kept in model if kept != number), number][-4:]
        else:
            assert (cache.find(question) is not None) == (number in model)
            if number in model:
                model = [*(kept for kept in model if kept != number), number]
    assert len(cache) == len(model)
