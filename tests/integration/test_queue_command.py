"""`mailboxctl queue` beside a running daemon, and what of it needs none."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bad_peer import BadPeer, Hang, Say
from tests.integration.outgoing import ELSEWHERE, OutgoingSite, outgoing_site
from tests.integration.site import ALICE, BOB

FINE, MISSING, USAGE, TROUBLE = range(4)
SECONDS = 60.0
SLOW = "  retry_after: 1 h\n  retry_most: 1 h\n"
NOT_NOW = {"rcpt": Say("450 4.2.0 Not now")}
CAROL, DAVE = "carol@elsewhere.example", "dave@other.example"


def ctl(site: OutgoingSite, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mailbox_d.ctl", "--config", str(site.site.configuration), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)


def answers(site: OutgoingSite, *arguments: str) -> list[dict[str, Any]]:
    """What it says in JSON, `end` last."""
    return [json.loads(line) for line in ctl(site, "--json", "queue", *arguments).stdout.splitlines()]


def done(site: OutgoingSite, *arguments: str) -> list[str]:
    """What was done, to each message."""
    *told, end = answers(site, *arguments)
    assert (end["status"], end["through"]) == (FINE, "through the running daemon")
    return [answer["did"] for answer in told if answer["answer"] == "changed"]


def listed(site: OutgoingSite, *arguments: str) -> list[dict[str, Any]]:
    return [answer for answer in answers(site, "list", *arguments) if answer["answer"] == "message"]


def wait_for_log(site: OutgoingSite, words: str) -> None:
    deadline = time.monotonic() + SECONDS
    while words not in site.daemon.log_text():
        assert time.monotonic() < deadline, site.daemon.log_tail(40)
        time.sleep(0.02)


def explained(site: OutgoingSite, identifier: str, words: str) -> str:
    """The story of a message, once it has these words: what was told is written within a second."""
    deadline = time.monotonic() + SECONDS
    while words not in (said := ctl(site, "explain", identifier).stdout):
        assert time.monotonic() < deadline, said
        time.sleep(0.1)
    return said


@pytest.fixture
def outgoing(tmp_path: Path) -> Iterator[OutgoingSite]:
    with outgoing_site(tmp_path, settings=SLOW) as site:
        site.daemon.start()
        yield site


def put_off(outgoing: OutgoingSite, *recipients: str, sender: str = ALICE, subject: str = "Outward") -> str:
    """A message that was tried once; its identifier."""
    before = set(outgoing.queued)
    with BadPeer(NOT_NOW, address=ELSEWHERE, port=outgoing.port):
        outgoing.send(*recipients, sender=sender, subject=subject)
        (path,) = set(outgoing.queued) - before
        for recipient in recipients:
            wait_for_log(outgoing, f"{path.name} to <{recipient}>: deferred")
    return path.name


def test_a_message_is_listed_and_shown_with_and_without_the_daemon(outgoing: OutgoingSite) -> None:
    identifier = put_off(outgoing, CAROL, subject="A word")
    said = ctl(outgoing, "queue", "list")
    assert said.returncode == FINE
    heading, row = said.stdout.splitlines()
    assert heading.split()[:3] == ["message", "age", "size"]
    assert row.startswith(identifier)
    assert row.endswith(f"<{ALICE}> to <{CAROL}>: 450 4.2.0 Not now")
    assert "through the running daemon: 1 message" in said.stderr
    shown = ctl(outgoing, "queue", "show", identifier, "--content")
    assert shown.returncode == FINE
    for words in (
        f"sender:     <{ALICE}>",
        f"<{CAROL}>: waiting, 1 attempt",
        "    450 4.2.0 Not now",
        "Subject: A word",
    ):
        assert words in shown.stdout
    (row,) = listed(outgoing)
    assert (row["sender"], row["waiting"], row["attempts"], row["state"]) == (ALICE, 1, 1, "waiting")
    assert row["due"] > row["arrived"] + 1800
    outgoing.daemon.stop()
    assert listed(outgoing) == [row]
    offline = ctl(outgoing, "queue", "show", identifier, "--content")
    assert offline.stdout.splitlines()[2:] == shown.stdout.splitlines()[2:]
    assert "offline: done" in offline.stderr


def test_a_list_has_what_is_asked_for(outgoing: OutgoingSite) -> None:
    first = put_off(outgoing, CAROL)
    second = put_off(outgoing, CAROL, DAVE)
    third = put_off(outgoing, CAROL, sender=BOB)
    assert done(outgoing, "hold", third) == ["held"]
    wanted = {
        (): [first, second, third],
        ("--domain", "OTHER.example", "--sender", ALICE.upper()): [second],
        ("--recipient", CAROL, "--held"): [third],
        ("--limit", "2"): [first, second],
    }
    for options, names in wanted.items():
        assert [row["id"] for row in listed(outgoing, *options)] == names, options
        if "--limit" not in options:
            assert sorted(row["id"] for row in listed(outgoing, *options, "--offline")) == sorted(names), options
    assert "--limit 0 lists all" in ctl(outgoing, "queue", "list", "--limit", "2").stderr
    assert done(outgoing, "hold", second) == ["held"]
    assert [row["id"] for row in listed(outgoing, "--due")] == []


def test_what_is_retried_is_sent_at_once(outgoing: OutgoingSite) -> None:
    identifiers = [put_off(outgoing, CAROL) for _ in range(2)]
    with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
        assert done(outgoing, "retry", identifiers[0]) == ["due now"]
        peer.wait_for_messages(1)
        outgoing.wait_until_queued(1)
        assert done(outgoing, "retry", "--domain", "elsewhere.example") == ["due now"]
        peer.wait_for_messages(2)
    outgoing.wait_until_empty()


def test_a_server_that_was_not_there_is_tried_again_at_once_when_the_operator_wants_it(outgoing: OutgoingSite) -> None:
    outgoing.send(CAROL)
    wait_for_log(outgoing, f"to <{CAROL}>: deferred")
    with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
        assert done(outgoing, "retry", "--all") == ["due now"]
        peer.wait_for_messages(1)
    outgoing.wait_until_empty()


def test_what_is_held_waits_until_it_is_released_beyond_a_restart(outgoing: OutgoingSite) -> None:
    identifier = put_off(outgoing, CAROL)
    assert done(outgoing, "hold", "--sender", ALICE) == ["held"]
    assert done(outgoing, "retry", identifier) == ["due when it is released"]
    outgoing.daemon.restart()
    assert [row["state"] for row in listed(outgoing)] == ["held"]
    with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
        assert done(outgoing, "release", "--held") == ["released"]
        peer.wait_for_messages(1)
    outgoing.wait_until_empty()


def test_what_is_removed_is_gone_and_nobody_hears_of_it(outgoing: OutgoingSite) -> None:
    identifier = put_off(outgoing, CAROL)
    assert done(outgoing, "remove", identifier) == ["removed"]
    assert outgoing.queued == [] and outgoing.site.message_files(ALICE) == []
    told = explained(outgoing, identifier, "removed by an operator")
    assert "Not now" in told
    assert answers(outgoing, "remove", identifier)[-1]["status"] == MISSING


def test_what_is_given_back_comes_to_its_sender(outgoing: OutgoingSite) -> None:
    identifier = put_off(outgoing, CAROL, subject="Come back")
    assert done(outgoing, "hold", identifier) == ["held"]
    assert done(outgoing, "remove", identifier, "--bounce") == ["given back to its sender"]
    (report,) = outgoing.wait_for_mail()
    text = report.as_string()
    assert report.get_content_type() == "multipart/report"
    assert "Action: failed" in text and "Subject: Come back" in text and "An operator of this server removed it" in text
    outgoing.wait_until_empty()
    explained(outgoing, identifier, "removed by an operator: with a report")


def test_many_are_removed_with_a_yes_alone(outgoing: OutgoingSite) -> None:
    put_off(outgoing, CAROL)
    put_off(outgoing, CAROL)
    refused = ctl(outgoing, "queue", "remove", "--all")
    assert (refused.returncode, refused.stderr) == (USAGE, "2 messages would be removed: say --yes\n")
    assert len(outgoing.queued) == 2
    assert done(outgoing, "remove", "--all", "--yes", "--bounce") == ["given back to its sender"] * 2
    outgoing.wait_for_mail(count=2)
    outgoing.wait_until_empty()


@pytest.mark.parametrize("bounce", [[], ["--bounce"]])
def test_recipients_who_are_not_meant_stay(outgoing: OutgoingSite, bounce: list[str]) -> None:
    put_off(outgoing, CAROL, DAVE)
    assert len(done(outgoing, "remove", "--domain", "other.example", *bounce)) == 1
    (row,) = listed(outgoing)
    assert row["recipients"] == [CAROL]
    shown = {
        each["to"]: each["state"] for each in answers(outgoing, "show", row["id"]) if each["answer"] == "recipient"
    }
    assert shown == {CAROL: "waiting", DAVE: "failed"}
    assert len(outgoing.wait_for_mail(count=len(bounce))) == len(bounce)


def test_what_is_being_sent_is_listed_and_cannot_be_removed(outgoing: OutgoingSite) -> None:
    with BadPeer({"rcpt": Hang()}, address=ELSEWHERE, port=outgoing.port) as peer:
        outgoing.send(CAROL)
        peer.wait_for_command("RCPT")
        (row,) = listed(outgoing)
        assert row["state"] == "sending"
        queue, *_ = answers(outgoing, "stats")
        assert (queue["runs"], queue["connections"], queue["sending"]) == (1, 1, 1)
        for bounce in ([], ["--bounce"]):
            told, *_, end = answers(outgoing, "remove", row["id"], *bounce)
            assert "it is being sent just now" in told["why"]
            assert end["status"] == TROUBLE
        assert len(outgoing.queued) == 1


def test_figures_with_and_without_the_daemon(outgoing: OutgoingSite) -> None:
    put_off(outgoing, CAROL, DAVE)
    identifier = put_off(outgoing, CAROL)
    done(outgoing, "hold", identifier)
    queue, first, second, end = answers(outgoing, "stats")
    assert (queue["messages"], queue["waiting"], queue["held"], queue["damaged"]) == (2, 2, 1, 0)
    assert (first["domain"], first["waiting"], first["held"]) == ("elsewhere.example", 1, 1)
    assert (second["domain"], second["waiting"], second["held"]) == ("other.example", 1, 0)
    assert end["status"] == FINE
    outgoing.daemon.stop()
    offline, *rest = answers(outgoing, "stats")
    assert rest[:2] == [first, second]
    assert offline == {**queue, "runs": None, "connections": None, "sending": 0}
    said = ctl(outgoing, "queue", "stats").stdout
    assert "2 messages, the oldest" in said and "elsewhere.example" in said


def test_what_changes_something_wants_the_daemon(outgoing: OutgoingSite) -> None:
    outgoing.daemon.stop()
    for arguments in (
        ("retry", "--all"),
        ("hold", "--all"),
        ("remove", "--all"),
        ("tls",),
        ("forget-tls", "a.example"),
    ):
        refused = ctl(outgoing, "queue", *arguments)
        assert refused.returncode == TROUBLE and "wants a running daemon" in refused.stderr


def test_what_is_remembered_of_tls_is_listed_and_forgotten(outgoing: OutgoingSite) -> None:
    outgoing.daemon.stop()
    now = time.time()
    levels = f"elsewhere.example encrypted {now:.0f}\nother.example authenticated {now:.0f}\n"
    (outgoing.site.folder / "state/remembered-tls").write_text(levels)
    outgoing.daemon.start()
    told = [answer for answer in answers(outgoing, "tls") if answer["answer"] == "tls"]
    assert [(each["domain"], each["level"]) for each in told] == [
        ("elsewhere.example", "encrypted"),
        ("other.example", "authenticated"),
    ]
    assert done(outgoing, "forget-tls", "Other.Example") == ["forgotten"]
    assert answers(outgoing, "tls", "other.example")[-1]["status"] == MISSING
    assert answers(outgoing, "forget-tls", "other.example")[-1]["status"] == MISSING
    assert "elsewhere.example: encrypted" in ctl(outgoing, "queue", "tls", "elsewhere.example").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), USAGE, "VERB"),
        (("burn",), USAGE, "invalid choice"),
        (("show",), USAGE, "required"),
        (("show", "../../../etc/passwd"), MISSING, "there is none"),
        (("show", "A\x1b[2J\n"), MISSING, "A\\x1b[2J\\n: there is none"),
        (("show", ""), USAGE, "no text"),
        (("show", "x" * 2000), USAGE, "no text"),
        (("hold", "A", "B", "--domain", "a.example"), USAGE, "not both"),
        (("hold",), USAGE, "Name messages"),
        (("hold", *["A" * 99] * 900), USAGE, "too long"),
        (("retry", "--domain", "not a domain"), USAGE, "not a domain name"),
        (("remove", "--sender", "nobody"), USAGE, "local@domain"),
        (("list", "--limit", "-1"), USAGE, "limit"),
        (("list", "--held", "--due"), USAGE, "not allowed with"),
        (("list", "--domain", ""), USAGE, "nothing is named"),
        (("list", "--json"), FINE, ""),
        (("forget-tls", "..", "--json"), USAGE, ""),
    ],
)
def test_what_is_typed_is_done_or_refused_in_a_line_or_two(
    shared: OutgoingSite, arguments: tuple[str, ...], status: int, said: str
) -> None:
    refused = ctl(shared, "queue", *arguments)
    assert refused.returncode == status, refused
    assert said in refused.stderr and "Traceback" not in refused.stderr
    assert "\x1b" not in refused.stdout + refused.stderr
    assert "Traceback" not in shared.daemon.log_text()


@pytest.mark.parametrize(
    "said",
    [
        {"verb": "remove"},
        {"verb": "remove", "all": True, "shell": "rm"},
        {"verb": "show", "ids": ["A"] * 1001},
        {"verb": "hold", "ids": [{"A": 1}]},
        {"verb": "list", "limit": -1},
        {"verb": "list", "domain": "\ud800"},
        {"verb": "list", "recipient": "a@" + "b." * 400},
        {"verb": "tls", "domain": "../.."},
    ],
)
def test_junk_on_the_socket_is_refused_and_nothing_behind_it_is_done(
    shared: OutgoingSite, said: dict[str, object]
) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS)
        connection.connect(str(shared.site.folder / "state/control.sock"))
        stats = b'{"subject": "queue", "verb": "stats"}\n'
        connection.sendall(json.dumps({"subject": "queue", **said}).encode() + b"\n" + stats)
        hello, end = connection.makefile("rb").read().splitlines()
    assert b'"hello"' in hello and json.loads(end)["status"] == USAGE
    assert "Traceback" not in shared.daemon.log_text()


def test_a_pipe_that_closes_early_is_no_traceback(outgoing: OutgoingSite) -> None:
    put_off(outgoing, CAROL)
    command = f"'{sys.executable}' -m mailbox_d.ctl --config '{outgoing.site.configuration}' queue list | true"
    said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=SECONDS)
    assert "Traceback" not in said.stderr


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutgoingSite]:
    with outgoing_site(tmp_path_factory.mktemp("queue")) as site:
        site.daemon.start()
        yield site
