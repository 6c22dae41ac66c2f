"""What a person sees: sentences on the right stream, no escape sequence of a stranger's, a bar on a terminal alone."""

from __future__ import annotations

import io
import json

import pytest

from mailbox_d.control.telling import refusal
from mailbox_d.ctl.terminal import JsonLines, Terminal, octets
from mailbox_d.wire.control.requests import Verb

FINDING = {
    "answer": "finding",
    "kind": "two-files",
    "severity": "error",
    "user": "alice@example.org",
    "mailbox": "INBOX",
    "path": "/x/\x1b[2Jy\n\udcff",
    "detail": "",
    "means": "two files have one name",
    "repair": "",
}
END = {"answer": "end", "status": 1, "findings": 1, "mended": 0, "troubles": 0}


class Tty(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def terminal(err: io.StringIO | None = None) -> tuple[Terminal, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), err or io.StringIO()
    teller = Terminal(Verb.VERIFY, out, err)
    teller.through = "offline"
    return teller, out, err


def test_names_on_the_disk_control_no_terminal() -> None:
    teller, out, err = terminal()
    teller.tell(FINDING)
    teller.tell(END)
    assert out.getvalue() == (
        "alice@example.org INBOX: error: two-files: two files have one name\n"
        "    /x/\\x1b[2Jy\\n\\udcff\n    repair: by hand\n"
    )
    assert (err.getvalue(), teller.status) == ("verify, offline: 1 finding\n", 1)


def test_a_finding_of_an_older_daemon_has_no_severity() -> None:
    teller, out, _ = terminal()
    teller.tell({key: value for key, value in FINDING.items() if key != "severity"})
    assert out.getvalue().startswith("alice@example.org INBOX: two-files: two files")


def test_progress_is_shown_on_a_terminal_and_nowhere_else() -> None:
    progress = {"answer": "progress", "what": "alice\x1b INBOX", "done": 500, "total": 1000, "unit": "messages"}
    teller, out, err = terminal()
    teller.tell(progress)
    assert (out.getvalue(), err.getvalue()) == ("", "")
    teller, out, err = terminal(Tty())
    teller.tell({**progress, "done": 0})
    teller.tell(progress)
    teller.tell(END)
    assert "1000" in err.getvalue() and "\x1b INBOX" not in err.getvalue() and out.getvalue() == ""


def test_an_answer_of_a_newer_daemon_is_passed_over() -> None:
    teller, out, err = terminal()
    teller.tell({"answer": "weather", "text": "fine"})
    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_a_refusal_is_told_as_it_is() -> None:
    teller, out, err = terminal()
    teller.tell(refusal("the daemon stops", 3))
    assert (out.getvalue(), err.getvalue(), teller.status) == ("", "the daemon stops\n", 3)


def test_totals_of_several_accounts() -> None:
    teller, out, _ = terminal()
    for user in ("a@example.org", "b@example.org"):
        figures = {"mailboxes": 1, "messages": 2, "octets": 1536, "index_octets": 0}
        teller.tell({"answer": "account", "user": user, **figures})
    teller.tell({**END, "findings": 0, "status": 0})
    assert out.getvalue().splitlines()[-1] == "2 accounts: 4 messages in 2 mailboxes, 3.0 KiB; index 0 B"


def test_json_is_one_line_for_each_answer_without_progress() -> None:
    out = io.StringIO()
    teller = JsonLines(out)
    teller.through = "offline"
    teller.tell(FINDING)
    teller.tell({"answer": "progress", "what": "x", "done": 1, "total": 2, "unit": "messages"})
    teller.tell(END)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines == [FINDING, {**END, "through": "offline"}]
    assert teller.status == 1


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (2048, "2.0 KiB"), (3 << 30, "3.0 GiB")])
def test_sizes_are_written_for_people(count: int, text: str) -> None:
    assert octets(count) == text
