"""Places for questions: how many there are, and whose turn it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred

from mailbox_d.net.dns_places import DnsPlaces, domain_of


def has(place: Deferred[None]) -> bool:
    return bool(place.called)


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("_25._tcp.mx.example.com", "example.com"),
        ("example.com", "example.com"),
        ("mx.example.co.uk", "example.co.uk"),
        ("mx.example.de", "example.de"),
        ("co.uk", "co.uk"),
        ("com", "com"),
        ("", ""),
        ("a..b", ".b"),
    ],
)
def test_a_name_belongs_to_a_domain(name: str, domain: str) -> None:
    assert domain_of(name) == domain


def test_one_domain_has_its_share_and_others_need_not_wait_behind_it() -> None:
    places = DnsPlaces(4, 3)
    bad = [places.take(f"h{number}.bad.example") for number in range(10)]
    assert [has(place) for place in bad] == [True] * 3 + [False] * 7
    assert has(places.take("good.example"))
    places.give_back("good.example")
    assert not has(bad[3])
    places.give_back("h0.bad.example")
    assert [has(place) for place in bad[3:5]] == [True, False]


def test_domains_have_their_turns() -> None:
    places = DnsPlaces(1, 1)
    first = places.take("x")
    waiting = {name: places.take(name) for name in ("1.a.com", "2.a.com", "3.a.com", "1.b.com", "2.b.com", "1.c.com")}
    assert has(first)
    order, name = [], "x"
    while waiting:
        places.give_back(name)
        (name,) = [one for one, place in waiting.items() if has(place)]
        order.append(name)
        del waiting[name]
    assert order == ["1.a.com", "1.b.com", "1.c.com", "2.a.com", "2.b.com", "3.a.com"]


def test_places_that_are_given_back_at_once_go_through_a_long_queue() -> None:
    places = DnsPlaces(1, 1)
    places.take("x")
    done = []
    for number in range(5000):
        place = places.take("h.example")
        place.addCallback(lambda _, number=number: (done.append(number), places.give_back("h.example")))
    places.give_back("x")
    assert done == [*range(5000)]


@given(st.lists(st.tuples(st.sampled_from(["take", "back", "leave"]), st.sampled_from("abc"), st.integers(0, 5))))
def test_never_more_than_there_are_and_none_is_lost(steps: list[tuple[str, str, int]]) -> None:
    places = DnsPlaces(3, 2)
    taken: dict[str, list[Deferred[None]]] = {domain: [] for domain in "abc"}
    for step, domain, which in steps:
        held = [place for place in taken[domain] if has(place)]
        waiting = [place for place in taken[domain] if not has(place)]
        if step == "take":
            taken[domain].append(places.take(f"{which}.{domain}.example"[2:]))
        elif step == "back" and held:
            taken[domain].remove(held[0])
            places.give_back(f"{domain}.example")
        elif step == "leave" and waiting:
            place = waiting[which % len(waiting)]
            taken[domain].remove(place)
            place.addErrback(lambda failure: failure.trap(CancelledError) and None)
            place.cancel()
        counts = {name: sum(map(has, those)) for name, those in taken.items()}
        assert sum(counts.values()) <= 3 and max(counts.values()) <= 2
        left = 3 - sum(counts.values())
        assert not any(left and counts[name] < 2 and counts[name] < len(those) for name, those in taken.items())
    for domain in "abc":
        while taken[domain]:
            places_held = [place for place in taken[domain] if has(place)]
            if not places_held:
                break
            taken[domain].remove(places_held[0])
            places.give_back(f"{domain}.example")
    for domain in "abc":
        while taken[domain]:
            taken[domain].remove(next(place for place in taken[domain] if has(place)))
            places.give_back(f"{domain}.example")
    assert places._free == 3 and not places._waiting and not places._taken
