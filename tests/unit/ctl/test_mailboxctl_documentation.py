"""What `docs/mailboxctl.md` tells is what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailbox_d.ctl.arguments import parse
from mailbox_d.ctl.parsing import OwnCommand
from mailbox_d.ctl.queue_arguments import queue_request
from mailbox_d.store.upkeep.findings import BY_HAND, Kind
from mailbox_d.wire.control.login_requests import LoginVerb
from mailbox_d.wire.control.queue_requests import QueueVerb, check_request
from mailbox_d.wire.control.requests import Verb

DOCUMENT = (Path(__file__).parents[3] / "docs/mailboxctl.md").read_text("utf-8")


def rows() -> dict[str, tuple[str, str]]:
    """By kind: severity, and what repair does."""
    lines = [line.split("|") for line in DOCUMENT.splitlines() if line.startswith("| `") and line.count("|") == 5]
    return {cells[1].strip(" `"): (cells[2].strip(), cells[4].strip()) for cells in lines}


def test_every_kind_of_finding_is_told_what_it_costs_and_who_repairs_it() -> None:
    told = rows()
    assert set(told) == {kind.label for kind in Kind}
    for kind in Kind:
        severity, repair = told[kind.label]
        assert severity == kind.severity.value
        assert repair.startswith("By hand") == (kind.repair == BY_HAND), kind


def examples(capsys: pytest.CaptureFixture[str], subject: str, verb: str) -> list[list[str]]:
    """What the help of a verb shows to be typed, behind `mailboxctl`; the document names the verb too."""
    assert f"mailboxctl {subject} {verb}" in DOCUMENT
    with pytest.raises(SystemExit) as ended:
        parse([subject, verb, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and "examples:" in text and "exit status:" in text
    shown = [line.split()[1:] for line in text.splitlines() if line.startswith("  mailboxctl ")]
    assert shown
    return shown


@pytest.mark.parametrize("verb", Verb)
def test_every_verb_has_help_with_examples_that_can_be_typed(verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    shown = examples(capsys, "store", verb.value)
    assert len(shown) >= 2
    for words in shown:
        assert parse(words).request.verb is verb


@pytest.mark.parametrize("verb", QueueVerb)
def test_every_verb_of_the_queue_has_help_with_examples_that_can_be_typed(
    verb: QueueVerb, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in examples(capsys, "queue", verb.value):
        command = parse(words)
        assert isinstance(command, OwnCommand)
        request = queue_request(command.given)
        assert request.verb is verb
        check_request(request)


@pytest.mark.parametrize("verb", LoginVerb)
def test_every_verb_about_failed_logins_has_help_with_examples_that_can_be_typed(
    verb: LoginVerb, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in examples(capsys, "auth", verb.value):
        command = parse(words)
        assert isinstance(command, OwnCommand) and command.given.verb is verb
