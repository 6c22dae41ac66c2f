"""`mailboxctl explain` as it is typed. What it tells beside a daemon: `tests/integration/test_explain.py`."""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path

import pytest

from mailbox_d.ctl import explain_command
from mailbox_d.ctl.arguments import parse
from mailbox_d.ctl.mailboxctl import main
from mailbox_d.ctl.parsing import OwnCommand
from mailbox_d.record import whereabouts
from tests.integration.site import Site, make_site
from tests.unit.record.happenings import BOB, kept, received, write

DOCUMENT = (Path(__file__).parents[3] / "docs/mailboxctl.md").read_text("utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = make_site(tmp_path / "site")
    write(site.folder / "state", received("A1"), kept("A1"))
    return site


def explain(site: Site, *arguments: str) -> int:
    return main(["--config", str(site.configuration), "explain", *arguments])


def test_its_help_has_examples_that_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["explain", "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and "exit status:" in text
    examples = [shlex.split(line) for line in text.splitlines() if line.startswith("  mailboxctl ")]
    assert len(examples) == 3
    for words in examples:
        assert isinstance(parse(words[1:]), OwnCommand)
        assert f"mailboxctl explain {shlex.join(words[2:])}"[:30] in DOCUMENT


class Screen(io.StringIO):
    """Standard error where somebody looks at it."""

    def isatty(self) -> bool:
        return True


def test_a_look_that_takes_long_has_a_progress_bar(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    assert explain(site, "A1") == 0 and screen.getvalue() == ""
    monkeypatch.setattr(explain_command, "_BAR_AFTER", 0)
    assert explain(site, "A1") == 0
    assert "record" in screen.getvalue() and "%" in screen.getvalue()
    assert capsys.readouterr().out.count("Message A1 <a@b>\n") == 2


def test_an_account_that_cannot_be_read_keeps_no_story_back(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(whereabouts, "read_whole", refuse)
    assert explain(site, str(BOB)) == 0
    assert "where it is now cannot be said: Permission denied" in capsys.readouterr().out


def test_a_record_that_cannot_be_read_is_trouble(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(explain_command, "octets_of", refuse)
    assert explain(site, "A1") == 3
    assert "Permission denied: run mailboxctl as root" in capsys.readouterr().err


def test_who_is_unknown_is_told_on_one_line(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(site, "\x1b[2J\nA2") == 1
    assert capsys.readouterr().err == "nothing is known of \\x1b[2J\\nA2\n"
