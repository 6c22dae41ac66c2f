"""A daemon for all tests of this folder, and its log beside each failure."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.account import snapshot
from tests.integration.daemon import Daemon, running
from tests.integration.site import make_site

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The contract's site, served to all tests that leave it running."""
    with running(make_site(tmp_path_factory.mktemp("shared") / "site")) as served:
        yield served


@pytest.fixture
def own_daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon for one test, which may stop it, restart it and look into its store."""
    with running(make_site(tmp_path / "site")) as served:
        yield served


@pytest.fixture
def lasting_daemon(own_daemon: Daemon) -> Iterator[Daemon]:
    """A daemon for one test. What the test leaves of alice's account must be the same after a restart."""
    yield own_daemon
    before = snapshot(own_daemon.site)
    own_daemon.restart()
    assert snapshot(own_daemon.site) == before


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    arguments: dict[str, Any] = getattr(item, "funcargs", {})
    for served in arguments.values():
        if report.failed and isinstance(served, Daemon):
            report.sections.append(("the daemon's log", served.log_tail()))
    return report
