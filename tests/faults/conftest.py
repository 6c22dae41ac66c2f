"""At the end of a run, one table of what the tests of faults did."""

from __future__ import annotations

import pytest

from tests.faults.tally import table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for number, line in enumerate(table()):
        if number == 0:
            terminalreporter.section("faults")
        terminalreporter.write_line(line)
