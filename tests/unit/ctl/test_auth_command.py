"""`mailboxctl auth test`: which realm says what of a user."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from mailbox_d.ctl.mailboxctl import main
from tests.unit.ctl.site_files import make_site

USERS = """\
users:
  alice@example.org:
    password: "{PLAIN}secret"
    aliases: [a.smith@example.org]
    app_passwords: {phone: {password: "{PLAIN}ring", services: [imap]}}
  bob@example.org: {password: "{PLAIN}secret", enabled: false}
  carol@example.org: {password: "{PLAIN}secret", services: [pop3]}
aliases: {sales@example.org: alice@example.org}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = make_site(tmp_path)
    (tmp_path / "users.yaml").write_text(USERS)
    far = 'far: {ldap: {uris: ["ldaps://127.0.0.1:1"], base: "dc=x"}}'
    text = path.read_text().replace("{staff: {yaml: users.yaml}}", f"{{staff: {{yaml: users.yaml}}, {far}}}")
    path.write_text(text.replace("{realm: staff}}", "{realm: staff}, example.net: {realm: far}}"))
    return path


@pytest.mark.parametrize(
    ("user", "password", "service", "status", "reason"),
    [
        ("Alice@Example.org", "secret", "imap", 0, "ok"),
        ("alice@example.org", "ring", "imap", 0, "ok"),
        ("alice@example.org", "ring", "submission", 1, "password"),
        ("alice@example.org", "wrong", "imap", 1, "password"),
        ("alice@example.org", None, "imap", 0, "no-password"),
        ("bob@example.org", "secret", "imap", 1, "disabled"),
        ("carol@example.org", "secret", "imap", 1, "service"),
        ("carol@example.org", "secret", "pop3", 0, "ok"),
        ("dave@example.org", "secret", "imap", 1, "unknown"),
        ("a.smith@example.org", "secret", "imap", 1, "alias"),
        ("sales@example.org", "secret", "imap", 1, "alias"),
        ("alice@example.net", "secret", "imap", 3, "unavailable"),
    ],
)
def test_the_realm_says_why(
    site: Path,
    user: str,
    password: str | None,
    service: str,
    status: int,
    reason: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("" if password is None else f"{password}\n"))
    words = ["auth", "test", user, "--service", service, *(["--password-stdin"] if password is not None else [])]
    assert main([*words, "--config", str(site), "--json"]) == status
    out = capsys.readouterr().out
    answer = json.loads(out)
    assert (answer["reason"], answer["status"], answer["service"]) == (reason, status, service)
    assert answer["realm"] == ("far" if user.endswith(".net") else "staff")
    assert password is None or password not in out


def test_it_is_said_in_words(site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("ring\n"))
    assert main(["auth", "test", "alice@example.org", "--password-stdin", "--config", str(site)]) == 0
    told = "The realm staff (yaml) says: alice@example.org may log in to imap by the app password phone\n"
    assert capsys.readouterr().out == told


def test_a_domain_that_is_not_served_has_no_realm(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["auth", "test", "alice@example.edu", "--config", str(site)]) == 2
    assert "mail for example.edu is not taken here" in capsys.readouterr().err


def test_a_users_file_with_a_fault_cannot_be_asked(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.parent / "users.yaml").write_text("users:\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["auth", "test", "alice@example.org", "--config", str(site)]) == 3
    assert "it cannot be asked" in (said := capsys.readouterr().out) and "users.yaml:1" in said
