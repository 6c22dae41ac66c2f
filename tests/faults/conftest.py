"""At the end of a run, one table of what the tests of faults did, in whichever process they did it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.tally import count, counted, table

_TOLD = "faults"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes tells the first what it counted."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        told[_TOLD] = counted()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The first hears what another one counted."""
    for row, figures in getattr(node, "workeroutput", {}).get(_TOLD, {}).items():
        count(row, **figures)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for number, line in enumerate(table()):
        if number == 0:
            terminalreporter.section("faults")
        terminalreporter.write_line(line)
