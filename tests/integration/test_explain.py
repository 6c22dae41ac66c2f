"""`mailboxctl explain` tells what became of mail, beside a running daemon and without one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bad_peer import BadPeer, Say
from tests.integration.daemon import Daemon, running
from tests.integration.outgoing import ELSEWHERE, outgoing_site
from tests.integration.programs import require
from tests.integration.reading import mailbox
from tests.integration.site import ALICE, BOB, PASSWORD, Site, make_site

SECONDS = 60.0
TOLD, UNKNOWN, USAGE = range(3)


def explain(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mailbox_d.ctl", "--config", str(site.configuration), "explain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)


def explained(site: Site, asked: str, said: str) -> str:
    """The story, once it has these words: what was told is written within a second."""
    deadline = time.monotonic() + SECONDS
    while said not in (answer := explain(site, asked)).stdout:
        assert time.monotonic() < deadline, (said, answer)
        time.sleep(0.1)
    assert answer.returncode == TOLD
    return answer.stdout


def values(site: Site, asked: str, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in explain(site, asked, "--json", *options).stdout.splitlines()]


def send(site: Site, recipient: str, message_id: str = "one@example.com", *options: str) -> str:
    """What the server said at the end."""
    command = [require("swaks"), "--server", f"127.0.0.1:{site.ports['smtp']}", "--from", "peer@example.com"]
    command += ["--to", recipient, "--header", f"Message-Id: <{message_id}>", "--helo", "peer.example", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS).stdout


def test_a_message_is_explained_by_each_of_its_names(own_daemon: Daemon) -> None:
    site = own_daemon.site
    said = send(site, ALICE, "one@example.com", "-tls")
    matched = re.search(r"kept as ([0-9A-F]{12})", said)
    assert matched, said
    identifier = matched[1]
    story = explained(site, identifier, "kept for")
    assert story.startswith(f"Message {identifier} <one@example.com>\n")
    assert "came in from another server (SMTP), from <peer@example.com>" in story
    assert re.search(r"by 127\.0\.0\.1, which calls itself peer\.example \(ESMTPS, TLSv1\.\d \S+\)", story)
    assert f"kept for <{ALICE}> in INBOX of {ALICE}" in story
    assert "now in INBOX (UID not given yet)" in story
    for asked in ("<one@example.com>", "one@example.com", "peer@example.com", "Alice@EXAMPLE.org", identifier.lower()):
        assert explain(site, asked).stdout == story, asked
    (value,) = values(site, ALICE)
    assert value["message"] == identifier and value["complete"]
    assert [event["what"] for event in value["events"]] == ["received", "kept"]
    assert value["events"][1]["now"] == [{"mailbox": "INBOX", "uid": None}]


def test_a_message_is_followed_into_other_mailboxes_until_it_is_gone(own_daemon: Daemon) -> None:
    site = own_daemon.site
    send(site, ALICE)
    explained(site, ALICE, "now in INBOX")
    with mailbox(site, ALICE) as client:
        client.select("INBOX")
        assert "now in INBOX (UID 1)" in explain(site, ALICE).stdout
        client.create("Work")
        client.uid("MOVE", "1", "Work")
        assert "now in Work (UID 1)" in explain(site, ALICE).stdout
        client.select("Work")
        client.store("1", "+FLAGS", r"(\Deleted)")
        client.expunge()
    assert "not in this account any more" in explain(site, ALICE).stdout


def test_what_was_refused_is_explained_too(own_daemon: Daemon) -> None:
    site = own_daemon.site
    send(site, "nobody@example.org")
    story = explained(site, "nobody@example.org", "refused")
    assert "mail from <peer@example.com> for <nobody@example.org> (from another server (SMTP), at rcpt)" in story
    assert "it was told: 550 5.1.1 There is no such user here" in story


def test_the_record_lasts_over_a_stop_and_is_read_without_a_daemon(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    with running(site):
        for number in range(3):
            send(site, BOB, f"{number}@example.com")
    told = values(site, BOB)
    assert [value["events"][0]["message_id"] for value in told] == [f"<{number}@example.com>" for number in range(3)]
    last = explain(site, BOB, "--last", "2")
    assert last.stdout.count("Message ") == 2 and "the latest 2 messages" in last.stderr
    assert [value["message"] for value in values(site, BOB, "--last", "2")] == [value["message"] for value in told[1:]]
    with running(site):
        send(site, BOB, "3@example.com")
    assert len(values(site, BOB)) == 4
    files = list((site.folder / "state/record").glob("*.jsonl"))
    assert len(files) == 1 and files[0].stat().st_mode & 0o777 == 0o600


def test_a_user_who_submits_is_named(own_daemon: Daemon) -> None:
    site = own_daemon.site
    command = [require("swaks"), "--server", f"127.0.0.1:{site.ports['submission']}", "-tls", "--from", ALICE]
    command += ["--to", BOB, "--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", PASSWORD]
    subprocess.run(command, capture_output=True, timeout=SECONDS, check=True)
    assert f"logged in as {ALICE})" in explained(site, BOB, "from a user (submission)")


def test_nothing_strange_reaches_the_terminal(own_daemon: Daemon) -> None:
    site = own_daemon.site
    send(site, ALICE, "\x1b[2J\u2028@example.com")
    story = explained(site, ALICE, "came in")
    assert all(line.isprintable() for line in story.split("\n")) and r"\x1b[2J" in story


def test_where_nothing_is_remembered_nothing_is_known(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    site.configuration.write_text(site.configuration.read_text() + "\nrecord: {size: 0 B}\n")
    with running(site):
        assert "kept as" in send(site, ALICE)
    unknown = explain(site, ALICE)
    assert (unknown.returncode, unknown.stdout) == (UNKNOWN, "")
    assert unknown.stderr == f"nothing is known of {ALICE} (record.size is 0)\n"
    assert not (site.folder / "state/record").exists()


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("a", "--last", "0"), ("a", "--last", "x"), ("a", "--lost")])
def test_what_cannot_be_understood_is_said_in_a_line_or_two(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    refused = explain(make_site(tmp_path / "site"), *arguments)
    assert refused.returncode == USAGE and "Try: mailboxctl" in refused.stderr and "Traceback" not in refused.stderr


def test_attempts_are_told_with_the_servers_words(tmp_path: Path) -> None:
    with outgoing_site(tmp_path) as outgoing:
        outgoing.daemon.start()
        with BadPeer({"rcpt": [Say("450 4.2.0 Not now")]}, address=ELSEWHERE, port=outgoing.port) as peer:
            outgoing.send("carol@elsewhere.example")
            peer.wait_for_messages(1)
        story = explained(outgoing.site, "carol@elsewhere.example", "was passed on")
    lines = [line.strip() for line in story.splitlines()]
    assert any(line.endswith("in the queue for <carol@elsewhere.example>") for line in lines)
    (deferred,) = [n for n, line in enumerate(lines) if line.endswith("was not taken for now (4.2.0)")]
    assert lines[deferred + 1].startswith(f"by mx.elsewhere.example [{ELSEWHERE}] (")
    assert lines[deferred + 2] == "it said: 450 4.2.0 Not now"
    assert lines[deferred + 3].startswith("tried again after ")
    assert any("<carol@elsewhere.example> was passed on to a server" in line for line in lines[deferred:])


def test_a_report_is_told_of_with_its_message(tmp_path: Path) -> None:
    with outgoing_site(tmp_path) as outgoing:
        outgoing.daemon.start()
        with BadPeer({"rcpt": Say("550 5.1.1 No carol here")}, address=ELSEWHERE, port=outgoing.port):
            outgoing.send("carol@elsewhere.example")
            outgoing.wait_for_mail()
        story = explained(outgoing.site, "carol@elsewhere.example", "report ")
        assert "was refused for good (5.1.1)" in story and "No carol here" in story
        told = re.search(rf"report ([0-9A-F]+) \(failed\) of <carol@elsewhere.example> is sent to <{ALICE}>", story)
        assert told, story
        both = explained(outgoing.site, told[1], f"kept for <{ALICE}>")
    assert both.startswith(f"{story}\nMessage {told[1]} <{told[1]}@")
    assert "written by this server, as a report, from <>" in both


def test_mail_that_an_alias_sends_elsewhere_says_so(tmp_path: Path) -> None:
    aliases = "  away@example.org: [carol@elsewhere.example, bob@example.net]\n"
    with outgoing_site(tmp_path, aliases=aliases) as outgoing:
        outgoing.daemon.start()
        with BadPeer(address=ELSEWHERE, port=outgoing.port) as peer:
            outgoing.receive("away@example.org")
            peer.wait_for_messages(1)
        story = explained(outgoing.site, "away@example.org", "was passed on")
    assert (
        "recipients of <away@example.org>: accepted: an alias → <bob@example.net>, <carol@elsewhere.example>" in story
    )
    assert "kept for <away@example.org> in INBOX of bob@example.net" in story
