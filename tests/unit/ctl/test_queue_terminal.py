"""What a person sees of the queue: a line for each message, times as people read them, no escape of a stranger's."""

from __future__ import annotations

import io
from typing import Any

import pytest

from mailbox_d.control.telling import refusal
from mailbox_d.ctl.queue_terminal import QueueTerminal, span
from mailbox_d.wire.control.queue_requests import QueueVerb

NOW = 1_800_000_000.0
MESSAGE: dict[str, Any] = {
    "answer": "message",
    "id": "5F869742EF80",
    "arrived": NOW - 7200,
    "octets": 2048,
    "sender": "alice@example.org",
    "recipients": ["carol@elsewhere.example"],
    "waiting": 1,
    "attempts": 3,
    "due": NOW + 240,
    "state": "waiting",
    "words": "450 Not now",
}
END = {"answer": "end", "status": 0, "messages": 1, "changed": 0, "missing": 0, "troubles": 0}


def told(verb: QueueVerb, *answers: dict[str, Any]) -> tuple[str, str, int]:
    out, err = io.StringIO(), io.StringIO()
    teller = QueueTerminal(verb, out, err, clock=lambda: NOW)
    teller.through = "offline"
    for answer in answers:
        teller.tell(answer)
    return out.getvalue(), err.getvalue(), teller.status


def test_a_message_is_a_line_below_one_heading() -> None:
    out, err, status = told(QueueVerb.LIST, MESSAGE, MESSAGE, END)
    heading, row, again = out.splitlines()
    assert heading == "message          age       size    to  tries     next  from, to, and what was said last"
    assert row == again
    figures, words = row.split("  <", 1)
    assert figures == "5F869742EF80     2 h    2.0 KiB     1      3    4 min"
    assert words == "alice@example.org> to <carol@elsewhere.example>: 450 Not now"
    assert (err, status) == ("list, offline: 1 message\n", 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "held"}, " held  <"),
        ({"state": "sending"}, " sending  <"),
        ({"due": NOW - 1}, " now  <"),
        ({"due": 0.0}, " now  <"),
        ({"waiting": 300}, "<carol@elsewhere.example> and 299 more: 450"),
        ({"sender": ""}, "<> to <carol"),
        ({"words": ""}, "<carol@elsewhere.example>\n"),
        ({"words": "450 \x1b[2J\r\nx"}, "450 \\x1b[2J\\r\\nx"),
    ],
)
def test_what_a_line_says(change: dict[str, Any], words: str) -> None:
    assert words in told(QueueVerb.LIST, {**MESSAGE, **change})[0]


def test_a_header_controls_no_terminal() -> None:
    out, _, _ = told(QueueVerb.SHOW, {"answer": "content", "text": "\tSubject: \x1b]0;x\x07\udcff"})
    assert out == "    |     Subject: \\x1b]0;x\\x07\\udcff\n"


def test_what_was_done_and_what_was_not() -> None:
    changed = {"answer": "changed", "id": "A1", "did": "held"}
    missing, trouble = {"answer": "missing", "id": "A2"}, {"answer": "trouble", "id": "A3", "why": "it is being sent"}
    out, err, status = told(
        QueueVerb.HOLD, changed, missing, trouble, {**END, "status": 3, "changed": 1, "missing": 1, "troubles": 1}
    )
    assert (out, status) == ("A1: held\n", 3)
    assert err == ("A2: there is none\nA3: it is being sent\nhold, offline: 1 done, 1 not there, 1 could not be done\n")
    assert told(QueueVerb.REMOVE, END)[1] == "remove, offline: nothing to do\n"


def test_a_refusal_and_an_answer_of_a_newer_daemon() -> None:
    assert told(QueueVerb.LIST, {"answer": "weather"}, refusal("the daemon stops", 3)) == ("", "the daemon stops\n", 3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "60 min"), (3600, "1 h"), (5 * 86400, "5 d")],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_recipient_is_shown_with_the_last_attempt() -> None:
    recipient = {
        "answer": "recipient",
        "to": "carol@elsewhere.example",
        "state": "waiting",
        "notify": ["failure", "delay"],
        "original": "rfc822;c@elsewhere.example",
        "attempts": 1,
        "due": 0.0,
        "warned": True,
    }
    attempt = {"at": NOW, "fate": "deferred", "status": "4.4.1", "reason": "Nobody was there"}
    out, _, _ = told(QueueVerb.SHOW, {**recipient, **attempt})
    first, second, third, last = out.splitlines()
    assert first == "<carol@elsewhere.example>: waiting, 1 attempt"
    assert second == "    notify failure delay, ORCPT rfc822;c@elsewhere.example, its sender was told of a delay"
    assert third.endswith(": deferred") and last == "    4.4.1 Nobody was there"
    server = {"host": "mx.example", "address": "192.0.2.1", "tls": "TLSv1.3", "security": "encrypted", "policy": "dane"}
    out, _, _ = told(QueueVerb.SHOW, {**recipient, **attempt, **server, "reply": "450 4.2.0 No\x07", "due": NOW})
    assert "next at" in out and ": deferred by mx.example [192.0.2.1] over TLSv1.3\n    encrypted, dane\n" in out
    assert out.endswith("    450 4.2.0 No\\x07\n")
