"""A missing client program is seen: skipped where a person works, a failure where all must be there."""

from __future__ import annotations

import pytest

from tests.integration.programs import REQUIRED, require


def test_program_that_is_there_is_found() -> None:
    assert require("sh").endswith("/sh")


def test_missing_program_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        require("no-such-program")


def test_missing_program_fails_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        require("no-such-program")
