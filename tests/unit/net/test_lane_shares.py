"""How many pieces of work one user has under way: a model beside it, and some cases."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.net.lane_shares import LaneShares

USERS = ("ann", "bob", "cid")


def test_one_too_many_waits_behind_its_own_user_s_and_keeps_no_other_waiting() -> None:
    shares: LaneShares[str] = LaneShares(2)
    assert [shares.admit(["ann"], work) for work in ("1", "2", "3", "4")] == [True, True, False, False]
    assert shares.admit(["bob"], "5")
    assert shares.done(["bob"]) == []
    assert shares.done(["ann"]) == ["3"]
    assert shares.done(["ann"]) == ["4"]
    assert shares.done(["ann"]) == shares.done(["ann"]) == []
    assert shares.admit(["ann"], "6")


def test_work_for_several_users_waits_for_each_of_them() -> None:
    shares: LaneShares[str] = LaneShares(1)
    assert shares.admit(["ann"], "ann's")
    assert shares.admit(["bob"], "bob's")
    assert not shares.admit(["ann", "bob"], "both")
    assert shares.done(["ann"]) == []
    assert shares.admit(["ann"], "ann's again")
    assert shares.done(["bob"]) == []
    assert shares.done(["ann"]) == ["both"]


@given(st.integers(1, 3), st.lists(st.one_of(st.integers(0, 9), st.sets(st.sampled_from(USERS), min_size=1))))
def test_no_user_has_more_than_the_share_and_all_work_is_done_once(most: int, steps: list[int | set[str]]) -> None:
    shares: LaneShares[int] = LaneShares(most)
    users_of: dict[int, tuple[str, ...]] = {}
    under_way: list[int] = []
    done: list[int] = []

    def finish(work: int) -> None:
        under_way.remove(work)
        done.append(work)
        under_way.extend(shares.done(users_of[work]))
        counts = Counter(user for each in under_way for user in users_of[each])
        assert max(counts.values(), default=0) <= most

    for number, step in enumerate(steps):
        if isinstance(step, set):
            users_of[number] = tuple(sorted(step))
            if shares.admit(users_of[number], number):
                under_way.append(number)
        elif under_way:
            finish(under_way[step % len(under_way)])
    while under_way:
        finish(under_way[0])
    assert sorted(done) == sorted(users_of)
    assert shares.rest() == []
