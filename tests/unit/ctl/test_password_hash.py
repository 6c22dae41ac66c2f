from __future__ import annotations

import getpass
import io
import sys

import pytest
import yaml

from mailbox_d.auth.passwords import StoredPassword
from mailbox_d.ctl.password_hash import main


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_piped_password_becomes_a_line_of_a_users_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("pass word é\nmore\n"))
    assert main() == 0
    stored = StoredPassword.parse(yaml.safe_load(capsys.readouterr().out)["password"])
    assert stored.scheme == "ARGON2ID"
    assert stored.verify("pass word é".encode())


def test_line_ends_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\r\n", newline=""))
    assert main() == 0
    assert StoredPassword.parse(yaml.safe_load(capsys.readouterr().out)["password"]).verify(b"secret")


def test_the_scheme_is_chosen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("pass\n"))
    assert main(["--scheme", "SCRAM-SHA-256"]) == 0
    stored = StoredPassword.parse(yaml.safe_load(capsys.readouterr().out)["password"])
    assert stored.scheme == "SCRAM-SHA-256"
    assert stored.verify(b"pass")


def test_a_scheme_that_passwords_are_not_stored_by_any_more_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--scheme", "SSHA512"])
    assert refused.value.code == 2
    assert "ARGON2ID" in capsys.readouterr().err


def test_a_typed_password_is_asked_for_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "secret")
    assert main() == 0
    assert StoredPassword.parse(yaml.safe_load(capsys.readouterr().out)["password"]).verify(b"secret")


def test_passwords_typed_differently_are_not_hashed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["secret", "secert"])
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(typed))
    assert main() == 1
    assert capsys.readouterr().out == ""


def test_nobody_hashes_what_is_too_long_to_log_in_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("x" * 1001))
    assert main() == 1
    out, err = capsys.readouterr()
    assert out == "" and "1001 octets" in err


@pytest.mark.parametrize("text", ["", "\n", "a\0b\n", "\u00ad\u200d\n"])
def test_no_password_is_not_hashed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main() == 1
