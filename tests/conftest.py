"""What holds for all tests: no property depends on how fast the machine is just now, and none on what ran before."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.integration.shared_load", "tests.integration.directory_site")  # they assert

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def kept_umask() -> Iterator[None]:
    """A command that is run inside of the tests' process sets its own."""
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)
