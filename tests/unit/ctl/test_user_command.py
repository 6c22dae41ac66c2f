"""`mailboxctl user` and `mailboxctl alias`: what they write, what they say, and what they refuse."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.auth.last_use import LAST_USE, LastUse, use_of
from mailbox_d.auth.passwords import HashCost, StoredPassword, hash_password
from mailbox_d.auth.realm import Service
from mailbox_d.auth.users_file import Login, Users, read_users
from mailbox_d.ctl import users_realm
from mailbox_d.ctl.arguments import parse
from mailbox_d.ctl.last_use_file import when
from mailbox_d.ctl.mailboxctl import main
from mailbox_d.ctl.parsing import OwnCommand
from tests.unit.ctl.site_files import make_site

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
USERS = """\
# our people
users:
  # the boss
  alice@example.org:
    password: "{PLAIN}secret"   # change me

aliases:
  sales@example.org: alice@example.org  # for now
"""
LDAP = 'realms: {staff: {yaml: users.yaml}, far: {ldap: {uris: ["ldaps://127.0.0.1:1"], base: "dc=x"}}}\n'
FAR = "domains: {example.org: {realm: staff}, example.net: {realm: far}}\n"
GENERATED = re.compile(r"[a-km-np-z2-9]{5}(-[a-km-np-z2-9]{5}){3}")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = make_site(tmp_path)
    (tmp_path / "users.yaml").write_text(USERS)
    text = path.read_text().replace("realms: {staff: {yaml: users.yaml}}\n", LDAP)
    path.write_text(text.replace("domains: {example.org: {realm: staff}}\n", FAR))
    return path


def ctl(site: Path, *words: str) -> int:
    return main([*words, "--config", str(site)])


def file(site: Path) -> Path:
    return site.parent / "users.yaml"


def users(site: Path) -> Users:
    return read_users(file(site))


def bob(site: Path) -> Login:
    return users(site).logins[BOB]


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_user_is_added_behind_the_others(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "correct horse\n")
    words = ("--quota", "1 GiB", "--services", "imap,submission", "--password-stdin")
    assert ctl(site, "user", "add", "bob@example.org", *words) == 0
    stored = re.search(r'"(\{ARGON2ID\}[^"]+)"', file(site).read_text())
    assert stored is not None
    entry = f'  bob@example.org:\n    password: "{stored[1]}"\n    quota: 1 GiB\n    services: [imap, submission]\n'
    assert file(site).read_text() == USERS.replace("# change me\n", "# change me\n" + entry)
    assert StoredPassword.parse(stored[1]).verify(b"correct horse")
    assert bob(site).user.quota == 1 << 30 and bob(site).user.services == {Service.IMAP, Service.SUBMISSION}
    out, err = capsys.readouterr()
    assert out == "" and "bob@example.org was added" in err


def test_a_password_that_is_made_up_is_shown_once_and_stored_hashed(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ctl(site, "user", "add", "bob@example.org", "--generate", "--scheme", "SCRAM-SHA-256") == 0
    password = capsys.readouterr().out.strip()
    assert GENERATED.fullmatch(password) and password not in file(site).read_text()
    assert bob(site).password.scheme == "SCRAM-SHA-256" and bob(site).password.verify(password.encode())
    assert ctl(site, "user", "passwd", "bob@example.org", "--generate", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["did"] == "changed" and answer["password"] != password
    assert bob(site).password.scheme == "SCRAM-SHA-256" and bob(site).password.verify(answer["password"].encode())


@pytest.mark.parametrize(
    ("mechanisms", "stored", "words", "scheme"),
    [
        ("PLAIN", "{PLAIN}x", (), "ARGON2ID"),
        ("PLAIN, SCRAM-SHA-256", "{PLAIN}x", (), "SCRAM-SHA-256"),
        ("SCRAM-SHA-256", "{ARGON2ID}", (), "ARGON2ID"),
        ("PLAIN", "{SCRAM-SHA-256}", (), "SCRAM-SHA-256"),
        ("SCRAM-SHA-256", "{SCRAM-SHA-256}", ("--scheme", "ARGON2ID"), "ARGON2ID"),
    ],
)
def test_a_password_is_stored_as_it_was_or_as_logins_need_it(
    site: Path, mechanisms: str, stored: str, words: tuple[str, ...], scheme: str
) -> None:
    site.write_text(site.read_text() + f"login: {{mechanisms: [{mechanisms}]}}\n")
    name = stored[1 : stored.index("}")]
    old = stored if name == "PLAIN" else hash_password(b"x", HashCost(1, 8, 1), scheme=name)
    file(site).write_text(USERS.replace("{PLAIN}secret", old))
    assert ctl(site, "user", "passwd", "alice@example.org", "--generate", *words) == 0
    assert users(site).logins[ALICE].password.scheme == scheme
    assert ctl(site, "user", "add", "bob@example.org", "--generate") == 0
    assert bob(site).password.scheme == ("SCRAM-SHA-256" if "SCRAM" in mechanisms else "ARGON2ID")
    assert ctl(site, "user", "app-password", "add", "bob@example.org", "phone") == 0
    assert bob(site).app_passwords[0].password.scheme == "ARGON2ID"


def test_whose_mail_a_new_user_finds_is_said(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(site, "user", "add", "bob@example.org", "--generate") == 0
    assert "mail" not in capsys.readouterr().err.replace(str(site.parent), "").replace("mailboxd", "")
    assert ctl(site, "user", "del", "bob@example.org", "--yes") == 0
    maildir = site.parent / "maildirs/example.org/bob/Maildir"
    maildir.mkdir(parents=True)
    capsys.readouterr()
    assert ctl(site, "user", "add", "bob@example.org", "--generate") == 0
    assert f"The mail that lies in {maildir} already is theirs now." in capsys.readouterr().err
    assert ctl(site, "user", "del", "bob@example.org", "--yes") == 0
    capsys.readouterr()
    assert ctl(site, "user", "add", "bob@example.org", "--generate", "--json") == 0
    assert json.loads(capsys.readouterr().out)["maildir"] == str(maildir)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("user", "passwd", "alice@example.org", "--generate"), "alice@example.org has another password."),
        (("user", "passwd", "alice@example.org", "--generate", "--json"), "alice@example.org has another password."),
        (("user", "app-password", "add", "alice@example.org", "phone"), "it is not shown again."),
    ],
)
@pytest.mark.parametrize("full", [True, False])
def test_a_password_that_could_not_be_printed_is_known_to_be_lost(
    site: Path,
    words: tuple[str, ...],
    said: str,
    full: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with unwritable(full=full) as out:
        monkeypatch.setattr("sys.stdout", out)
        assert ctl(site, *words) == 3
    err = capsys.readouterr().err
    why = "No space left on device" if full else "Broken pipe"
    assert f"{said}\nBut it could not be printed ({why}), so that nobody knows the password: give another one" in err
    assert err.endswith("give another one\n") and file(site).read_text() != USERS


def test_a_list_that_cannot_be_printed_is_no_fault_of_the_file(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for full, said in ((True, "mailboxctl: [Errno 28] No space left on device\n"), (False, "")):
        with unwritable(full=full) as out:
            monkeypatch.setattr("sys.stdout", out)
            assert ctl(site, "user", "list") == 3
        assert capsys.readouterr().err == said


@contextmanager
def unwritable(*, full: bool) -> Iterator[TextIO]:
    """A full disk, or a pipe that nobody reads any more."""
    if full:
        out = Path("/dev/full").open("w")  # noqa: SIM115
    else:
        reading, writing = os.pipe()
        os.close(reading)
        out = os.fdopen(writing, "w")
    with out:
        yield out


@pytest.mark.parametrize("words", [("user", "disable", "alice@example.org"), ("user", "list")])
def test_trouble_with_the_disk_is_told(
    site: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.parent / "users.yaml.lock").mkdir()
    monkeypatch.setattr(users_realm, "read_users", lambda path: path.parent.joinpath("users.yaml.lock").read_text())
    assert ctl(site, *words) == 3
    err = capsys.readouterr().err
    assert "Is a directory" in err and "run mailboxctl as root or as the users file's owner" in err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "status"), [("\n", 2), ("", 2), ("n\n", 2), ("yo\n", 2), ("Y\n", 0), ("yes\n", 0)])
def test_who_is_asked_whether_to_remove_must_say_yes(
    site: Path, answer: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert ctl(site, "user", "del", "alice@example.org") == status
    assert "Remove alice@example.org? The mail in" in capsys.readouterr().err
    assert (file(site).read_text() == USERS) == (status != 0)


def test_of_a_long_password_nobody_hears_later_that_it_is_too_long(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (("user", "passwd"), ("auth", "test")):
        typed(monkeypatch, "é" * 500 + "x\n")
        assert ctl(site, *command, "alice@example.org", "--password-stdin") == 2
        assert "the password has 1001 octets; nobody can log in with more than 1000" in capsys.readouterr().err
    assert file(site).read_text() == USERS
    typed(monkeypatch, "é" * 500 + "\n")
    assert ctl(site, "user", "passwd", "alice@example.org", "--password-stdin") == 0


@pytest.mark.parametrize(("command", "status"), [(("user", "passwd"), 2), (("auth", "test"), 0)])
def test_the_end_of_the_input_is_no_password(
    site: Path,
    command: tuple[str, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ended(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", ended)
    assert ctl(site, *command, "alice@example.org") == status
    out, err = capsys.readouterr()
    assert "no password" in out + err and file(site).read_text() == USERS


@pytest.mark.parametrize("command", [("user", "passwd"), ("auth", "test")])
def test_a_password_that_is_no_text_is_refused(
    site: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def latin(_: str) -> str:
        return b"p\xe4ss".decode("utf-8")

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", latin)
    assert ctl(site, *command, "alice@example.org") == 2
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"p\xe4ss\n"), "utf-8"))
    assert ctl(site, *command, "alice@example.org", "--password-stdin") == 2
    assert capsys.readouterr().err.count("the password is no text in UTF-8") == 2


def test_passwd_changes_the_password_and_nothing_else(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "new\n")
    assert ctl(site, "user", "passwd", "Alice@example.org", "--password-stdin") == 0
    assert re.sub(r'"\{ARGON2ID\}[^"]*"', '"{PLAIN}secret"', file(site).read_text()) == USERS


@pytest.mark.parametrize("text", ["", "\n", "a\0b\n"])
def test_an_empty_password_is_none(
    site: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, text)
    assert ctl(site, "user", "passwd", "alice@example.org", "--password-stdin") == 2
    assert "there is no password" in capsys.readouterr().err and file(site).read_text() == USERS


def test_without_a_terminal_somebody_must_give_the_password(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "")
    assert ctl(site, "user", "add", "bob@example.org") == 2
    assert "--password-stdin or --generate" in capsys.readouterr().err


def test_a_user_is_disabled_and_enabled(site: Path) -> None:
    assert ctl(site, "user", "enable", "alice@example.org") == 0
    assert file(site).read_text() == USERS
    assert ctl(site, "user", "disable", "alice@example.org") == 0
    assert file(site).read_text() == USERS.replace("# change me\n", "# change me\n    enabled: false\n")
    assert ctl(site, "user", "enable", "alice@example.org") == 0
    assert next(iter(users(site).logins.values())).user.enabled


def test_a_user_is_removed_and_the_mail_is_left(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "y\n")
    assert ctl(site, "user", "del", "alice@example.org") == 2
    assert "say --yes" in capsys.readouterr().err and file(site).read_text() == USERS
    assert ctl(site, "user", "del", "alice@example.org", "--yes") == 0
    err = capsys.readouterr().err
    assert f"The mail in {site.parent}/maildirs/example.org/alice/Maildir is left" in err
    assert "aliases still lead there: sales@example.org" in err
    assert file(site).read_text().startswith("# our people\nusers: {}\n")


def test_app_passwords_come_and_go(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alice = ("alice@example.org",)
    assert ctl(site, "user", "app-password", "add", *alice, "phone", "--services", "imap") == 0
    password = capsys.readouterr().out.strip()
    assert GENERATED.fullmatch(password)
    assert ctl(site, "user", "app-password", "add", *alice, "car") == 0
    assert ctl(site, "user", "app-password", "add", *alice, "car") == 1
    (login,) = users(site).logins.values()
    phone, car = login.app_passwords
    assert (phone.name, phone.services, car.services) == ("phone", {Service.IMAP}, set(Service))
    assert phone.password.verify(password.encode())
    capsys.readouterr()
    assert ctl(site, "user", "app-password", "list", *alice) == 0
    assert capsys.readouterr().out == "phone: imap; never used\ncar: imap, pop3, submission; never used\n"
    assert ctl(site, "user", "app-password", "del", *alice, "phone") == 0
    assert ctl(site, "user", "app-password", "del", *alice, "phone") == 1
    assert ctl(site, "user", "app-password", "del", *alice, "car") == 0
    assert file(site).read_text() == USERS


def test_users_are_listed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ctl(site, "user", "add", "bob@example.org", "--generate", "--quota", "5 MiB", "--services", "imap")
    ctl(site, "user", "disable", "alice@example.org")
    ctl(site, "user", "app-password", "add", "bob@example.org", "phone")
    capsys.readouterr()
    assert ctl(site, "user", "list") == 0
    assert capsys.readouterr().out == (
        "alice@example.org: disabled\nbob@example.org: quota 5.0 MiB; only imap; app passwords phone\n"
    )
    assert ctl(site, "user", "list", "Example.org", "--json") == 0
    out = capsys.readouterr().out
    answers = [json.loads(line) for line in out.splitlines()]
    assert answers[0] == {
        "answer": "user",
        "user": "alice@example.org",
        "realm": "staff",
        "enabled": False,
        "quota": None,
        "quota_messages": None,
        "maildir": None,
        "services": ["imap", "pop3", "submission"],
        "aliases": [],
        "scheme": "PLAIN",
        "last_use": None,
        "app_passwords": [],
    }
    assert answers[1]["quota"] == 5 << 20 and answers[1]["app_passwords"][0]["name"] == "phone"
    assert "secret" not in out and "$argon2" not in out


def test_where_mail_lies_is_listed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file(site).write_text(USERS.replace("    password:", "    maildir: staff/alice\n    password:"))
    assert ctl(site, "user", "list") == 0
    assert capsys.readouterr().out == "alice@example.org: mail in staff/alice\n"


def test_it_is_told_when_a_password_was_last_used(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ctl(site, "user", "app-password", "add", "alice@example.org", "phone")
    login = read_users(site.parent / "users.yaml").logins[ALICE]
    uses = (use_of("phone", login.app_passwords[0].password), 86400.0), (use_of("", login.password), 172800.0)
    lines = [LastUse.line((ALICE.folded, by, at)) for by, at in uses]
    (site.parent / "state" / LAST_USE).write_text("\n".join(["damaged", *lines, ""]))
    capsys.readouterr()
    assert ctl(site, "user", "app-password", "list", "alice@example.org") == 0
    assert capsys.readouterr().out.endswith(f"; last used {when(86400.0)}\n")
    assert ctl(site, "user", "list") == 0
    assert f"; last login {when(172800.0)}" in capsys.readouterr().out
    assert ctl(site, "user", "list", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["last_use"], answer["app_passwords"][0]["last_use"]) == (172800.0, 86400.0)
    for verb in ("del", "add"):
        ctl(site, "user", "app-password", verb, "alice@example.org", "phone")
    capsys.readouterr()
    assert ctl(site, "user", "app-password", "list", "alice@example.org") == 0
    assert capsys.readouterr().out.endswith("; never used\n")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("user", "add", "alice@example.org", "--generate"), 1, "is there already"),
        (("user", "add", "sales@example.org", "--generate"), 1, "already"),
        (("user", "add", "bob@example.com", "--generate"), 2, "mail for example.com is not taken here"),
        (("user", "add", "bob@example.og", "--generate"), 2, "did you mean example.org?"),
        (("user", "add", "bob@example.net", "--generate"), 2, "the realm far is LDAP"),
        (("user", "passwd", "bob@example.org", "--generate"), 1, "there is no user bob@example.org"),
        (("user", "disable", "bob@example.org"), 1, "there is no user"),
        (("user", "del", "bob@example.org", "--yes"), 1, "there is no user"),
        (("user", "app-password", "list", "bob@example.org"), 1, "there is no user"),
        (("user", "app-password", "del", "alice@example.org", "x"), 1, "no app password of this name"),
        (("alias", "add", "alice@example.org", "bob@example.org"), 1, "already"),
        (("alias", "add", "a@example.org", "a@example.org"), 1, "leads back to itself"),
        (("alias", "del", "info@example.org"), 1, "is no alias of the realm"),
        (("alias", "del", "sales@example.org", "bob@example.org"), 1, "does not lead to bob@example.org"),
    ],
)
def test_refusals_say_why_and_change_nothing(
    site: Path, words: tuple[str, ...], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ctl(site, *words) == status
    assert said in capsys.readouterr().err and file(site).read_text() == USERS


@pytest.mark.parametrize(
    "words",
    [
        ("user",),
        ("user", "app-password"),
        ("alias",),
        ("auth",),
        ("user", "add", "bob"),
        ("user", "add", "bob@example.org", "--quota", "much"),
        ("user", "add", "bob@example.org", "--services", "imap,telnet"),
        ("user", "add", "bob@example.org", "--scheme", "PLAIN"),
        ("user", "add", "bob@example.org", "--generate", "--password-stdin"),
        ("user", "app-password", "add", "bob@example.org", "a b"),
        ("alias", "add", "bob@example.org"),
    ],
)
def test_what_cannot_be_understood(site: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, *(() if len(words) < 3 else ("--config", str(site)))])
        parse(words).run()  # type: ignore[union-attr]
    assert ended.value.code == 2


def test_aliases_come_and_go(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(site, "alias", "add", "sales@example.org", "b@example.com", "alice@example.org") == 0
    assert "sales@example.org leads to alice@example.org, b@example.com." in capsys.readouterr().err
    after = USERS.replace("org: alice@example.org  #", "org: [alice@example.org, b@example.com]  #")
    assert file(site).read_text() == after
    assert ctl(site, "alias", "add", "info@example.org", "alice@example.org") == 0
    assert file(site).read_text() == after + "  info@example.org: alice@example.org\n"
    assert ctl(site, "alias", "del", "sales@example.org", "ALICE@example.org", "--json") == 0
    (answer,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert answer["targets"] == ["b@example.com"] and answer["did"] == "removed"
    assert ctl(site, "alias", "list") == 0
    assert capsys.readouterr().out == "sales@example.org: b@example.com\ninfo@example.org: alice@example.org\n"
    assert ctl(site, "alias", "del", "sales@example.org", "b@example.com") == 0
    assert ctl(site, "alias", "del", "info@example.org") == 0
    assert file(site).read_text() == USERS[: USERS.index("aliases:")] + "aliases: {}\n"
    assert ctl(site, "alias", "add", "info@example.org", "alice@example.org", "b@example.com") == 0
    assert file(site).read_text().endswith("aliases:\n  info@example.org: [alice@example.org, b@example.com]\n")


@pytest.mark.parametrize(
    "verb",
    [
        ("user", "add"),
        ("user", "passwd"),
        ("user", "disable"),
        ("user", "enable"),
        ("user", "del"),
        ("user", "list"),
        ("user", "app-password", "add"),
        ("user", "app-password", "del"),
        ("user", "app-password", "list"),
        ("alias", "add"),
        ("alias", "del"),
        ("alias", "list"),
        ("auth", "test"),
    ],
)
def test_every_verb_has_help_with_examples_that_can_be_typed_and_is_documented(
    verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    document = (Path(__file__).parents[3] / "docs/mailboxctl.md").read_text("utf-8")
    assert f"mailboxctl {' '.join(verb)}" in document
    with pytest.raises(SystemExit) as ended:
        parse([*verb, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and "examples:" in text and "exit status:" in text
    examples = [line for line in text.splitlines() if line.startswith("  mailboxctl ")]
    assert examples
    for example in examples:
        words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", example)]
        assert isinstance(parse(words[1:]), OwnCommand)
