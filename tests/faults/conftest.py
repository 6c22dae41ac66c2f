"""At the end of a run, one table of what the tests of faults did, in whichever process they did it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.tally import count, counted, table, tell, told

_COUNTED, _TOLD = "faults", "faults told"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes tells the first what it counted."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output |= {_COUNTED: counted(), _TOLD: told()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The first hears what another one counted."""
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    for row, figures in output.get(_COUNTED, {}).items():
        count(row, **figures)
    for line in output.get(_TOLD, []):
        tell(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for number, line in enumerate(table()):
        if number == 0:
            terminalreporter.section("faults")
        terminalreporter.write_line(line)
    for line in told():
        terminalreporter.write_line(line)
