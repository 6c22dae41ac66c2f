"""What is remembered of DNS, for how long and how much."""

from __future__ import annotations

import tracemalloc
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.net.dns_cache import FAILED_SECONDS, OCTETS_PER_ANSWER, DnsCache
from mailbox_d.wire.dns.answers import Reading
from mailbox_d.wire.dns.questions import Question, RecordType
from mailbox_d.wire.dns.records import MX, SRV, TLSA, Answer, LookupFailed


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


@pytest.mark.parametrize("kind", ["addresses", "long addresses", "hosts", "services", "texts", "certificates", "names"])
@pytest.mark.parametrize("records", [0, 1, 200])
def test_what_is_kept_is_bounded_in_memory_whatever_strangers_answer(kind: str, records: int) -> None:
    size = 100
    tracemalloc.start()
    try:
        cache = DnsCache(size, Clock())
        before = tracemalloc.get_traced_memory()[0]
        for number in range(3 * size):
            values = tuple(record(kind, number * 1000 + each) for each in range(records))
            cache.keep(
                asked(f"host{number}.example.com"), Reading(Answer(values, name=f"h{number}.example"), 60 + number)
            )
        del values
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept <= size * OCTETS_PER_ANSWER
    assert len(cache) == (size if records < 2 else pytest.approx(10, abs=5))


def record(kind: str, number: int) -> Any:
    text = f"mx{number}.example.com"
    return {
        "addresses": lambda: ip_address(0x01000000 + number),
        "long addresses": lambda: ip_address((0x2001 << 112) + number),
        "hosts": lambda: MX(1000 + number, text),
        "services": lambda: SRV(1000 + number, 1000 + number, 1000 + number, text),
        "texts": lambda: text.encode(),
        "certificates": lambda: TLSA(3, 1, 1, number.to_bytes(32, "big")),
        "names": lambda: text,
    }[kind]()


def test_a_larger_answer_takes_the_place_of_several_and_none_is_larger_than_all() -> None:
    cache = DnsCache(4, Clock())
    for name in "abc":
        cache.keep(asked(name), told(60))
    cache.keep(asked("large"), Reading(Answer(tuple(b"x" * 1000 for _ in range(11))), 60))
    assert [cache.find(asked(name)) is not None for name in ("a", "b", "c", "large")] == [False, False, True, True]
    cache.keep(asked("huge"), Reading(Answer((b"x" * 20_000,)), 60))
    assert len(cache) == 0
    cache.keep(asked("a"), told(60))
    cache.keep_failure(asked("a"), LookupFailed("DNS gave no answer", cause="it was refused"))
    cache.keep(asked("a"), told(60))
    assert cache.find(asked("a")) == told(60)
