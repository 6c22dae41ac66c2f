"""What the bench of logins counts with."""

from __future__ import annotations

import pytest

from bench.login_site import STORED
from bench.logins import percentile
from bench.servers import PASSWORD
from mailbox_d.auth.passwords import StoredPassword


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([3.0], 0.99, 3.0), (list(range(1, 101)), 0.99, 99), (list(range(1, 101)), 0.5, 50)],
)
def test_a_share_of_the_values_is_not_above(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


@pytest.mark.parametrize("scheme", STORED)
def test_stored_passwords_are_of_their_scheme_and_right(scheme: str) -> None:
    stored = StoredPassword.parse(STORED[scheme]())
    assert stored.scheme == scheme
    assert stored.verify(PASSWORD.encode())
