"""The users file: what it says when it is right, and every refusal of a wrong one, held in `tests/bad_users`."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.auth.alias_loops import loops
from mailbox_d.auth.realm import SenderGrant, Service, User
from mailbox_d.auth.users_file import Users, UsersFileLimits, read_users
from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.source import DocumentLimits

BAD_USERS = Path(__file__).resolve().parents[2] / "bad_users"

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.net")

SMALL = """
# Users, addresses and aliases of the realm "staff".
users:
  alice@example.org:
    password: "{PLAIN}pass"
    quota: 1 GiB
    aliases: [a.smith@example.org]
  bob@example.net:
    password: "{PLAIN}word"
    quota_messages: 1000
    enabled: no

aliases:
  postmaster@example.org: alice@example.org
  sales@example.org: [alice@example.org, bob@example.net, carol@example.com]
  all@example.org: sales+list@example.org
"""


def read(tmp_path: Path, text: str, limits: UsersFileLimits | None = None) -> Users:
    path = tmp_path / "users.yaml"
    path.write_text(text)
    return read_users(path, limits or UsersFileLimits())


def refusal(tmp_path: Path, text: str, limits: UsersFileLimits | None = None) -> str:
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, text, limits)
    return str(error.value).replace(f"{tmp_path}/", "")


def test_users_and_aliases_are_read(tmp_path: Path) -> None:
    users = read(tmp_path, SMALL)
    smith = EmailAddress.parse("a.smith@example.org")
    alice = User(ALICE, 1 << 30, (smith,))
    assert users.logins[ALICE].user == alice
    assert users.logins[ALICE].password.verify(b"pass")
    assert users.logins[BOB].user == User(BOB, enabled=False, quota_messages=1000)
    assert users.owners == {smith: alice}
    assert users.aliases == {
        EmailAddress.parse("postmaster@example.org"): (ALICE,),
        EmailAddress.parse("sales@example.org"): (ALICE, BOB, EmailAddress.parse("carol@example.com")),
        EmailAddress.parse("all@example.org"): (EmailAddress.parse("sales+list@example.org"),),
    }


def test_a_user_may_have_fewer_services_more_senders_and_further_passwords(tmp_path: Path) -> None:
    text = """
users:
  alice@example.org:
    password: "{PLAIN}pass"
    services: [imap, submission]
    senders: [info@example.org, "@Example.COM"]
    app_passwords:
      phone: {password: "{PLAIN}xyzzy", services: imap}
      büro-pc: {password: "{PLAIN}other"}
"""
    login = read(tmp_path, text).logins[ALICE]
    assert login.user.services == {Service.IMAP, Service.SUBMISSION}
    assert login.user.senders == (SenderGrant.parse("info@example.org"), SenderGrant.parse("@example.com"))
    assert [name for name, _ in login.passwords_for(Service.IMAP)] == ["", "phone", "büro-pc"]
    assert [name for name, _ in login.passwords_for(Service.SUBMISSION)] == ["", "büro-pc"]
    assert [stored.value for _, stored in login.passwords_for(Service.IMAP)] == [b"pass", b"xyzzy", b"other"]
    assert "xyzzy" not in repr(login)


def test_attack_124_too_many_grants_are_refused(tmp_path: Path) -> None:
    text = 'users:\n  alice@example.org: {password: "{PLAIN}x", senders: [a@a.example, b@b.example, "@c.example"]}'
    assert "these are 3 entries, expected at most 2" in refusal(tmp_path, text, UsersFileLimits(senders=2))
    assert len(read(tmp_path, text, UsersFileLimits(senders=3)).logins[ALICE].user.senders) == 3


def test_attack_124_too_many_app_passwords_are_refused(tmp_path: Path) -> None:
    entries = ", ".join(f'a{n}: {{password: "{{PLAIN}}x"}}' for n in range(4))
    text = f'users:\n  alice@example.org: {{password: "{{PLAIN}}x", app_passwords: {{{entries}}}}}'
    assert "these are 4 app passwords, expected at most 3" in refusal(tmp_path, text, UsersFileLimits(app_passwords=3))
    assert len(read(tmp_path, text, UsersFileLimits(app_passwords=4)).logins[ALICE].app_passwords) == 4


def test_addresses_are_found_however_they_are_written(tmp_path: Path) -> None:
    users = read(tmp_path, 'users:\n  Straße@Bücher.example: {password: "{PLAIN}pass"}')
    assert EmailAddress.parse("STRASSE@xn--bcher-kva.example") in users.logins


def test_a_realm_may_be_empty(tmp_path: Path) -> None:
    assert read(tmp_path, "users: {}\naliases: {}") == Users({}, {}, {})


def test_users_can_come_from_another_process(tmp_path: Path) -> None:
    users = read(tmp_path, SMALL)
    assert pickle.loads(pickle.dumps(users)) == users


@pytest.mark.parametrize("case", sorted(BAD_USERS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_users_file_is_refused_with_every_fault(case: Path, tmp_path: Path) -> None:
    said = refusal(tmp_path, case.read_text()) + "\n"
    if os.environ.get("WRITE_GOLDEN"):
        case.with_suffix(".expected").write_text(said)
    assert said == case.with_suffix(".expected").read_text()


@pytest.mark.parametrize("case", sorted(BAD_USERS.glob("*.expected")), ids=lambda path: path.stem)
def test_no_fault_repeats_a_password(case: Path) -> None:
    assert not any(secret in case.read_text() for secret in ("hunter2", "1234", "5f4dcc3b", "OL87FeBd"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_users(tmp_path / "users.yaml")


def test_attack_124_too_many_users_are_refused(tmp_path: Path) -> None:
    text = "users:\n" + "".join(f'  u{n}@example.org: {{password: "{{PLAIN}}x"}}\n' for n in range(11))
    assert "these are 11 users, expected at most 10" in refusal(tmp_path, text, UsersFileLimits(users=10))
    assert len(read(tmp_path, text, UsersFileLimits(users=11)).logins) == 11


def test_attack_124_a_file_too_large_is_refused(tmp_path: Path) -> None:
    limits = UsersFileLimits(document=DocumentLimits(size=100))
    assert "100 octets" in refusal(tmp_path, "users: {}\n" + "#" * 100, limits)


def test_attack_124_too_many_addresses_in_one_alias_are_refused(tmp_path: Path) -> None:
    text = "users: {}\naliases:\n  all@example.org: [" + ", ".join(f"u{n}@example.org" for n in range(4)) + "]"
    assert "these are 4 entries, expected at most 3" in refusal(tmp_path, text, UsersFileLimits(addresses_per_alias=3))


@given(local=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12), quoted=st.booleans())
def test_attack_122_no_user_can_be_a_path(tmp_path_factory: pytest.TempPathFactory, local: str, quoted: bool) -> None:
    written = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"' if quoted else local
    text = "users:\n  '" + f"{written}@example.org".replace("'", "''") + "': {password: '{PLAIN}pass'}"
    try:
        users = read(tmp_path_factory.getbasetemp(), text)
    except ConfigurationError:
        return
    for address in users.logins:
        for name in (address.local_part, address.key, address.domain):
            assert name not in ("", ".", "..")
            assert not name.startswith(".")
            assert "/" not in name
            assert "\0" not in name
            assert os.path.normpath(os.path.join("/mail", name)) == f"/mail/{name}"


def test_of_many_loops_as_many_are_told_as_other_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever follows a thousand ways of a thousand addresses keeps everybody waiting."""
    found = []

    def counted(targets: Mapping[EmailAddress, Sequence[EmailAddress]]) -> Iterator[tuple[EmailAddress, ...]]:
        for loop in loops(targets):
            found.append(loop)
            yield loop

    monkeypatch.setattr("mailbox_d.auth.users_file.loops", counted)
    rows = "".join(f"  a{n}@example.org: [a0@example.org, a{(n + 1) % 300}@example.org]\n" for n in range(300))
    limits = UsersFileLimits(document=DocumentLimits(faults=7))
    assert "a0@example.org → a1@example.org → " in refusal(tmp_path, f"users: {{}}\naliases:\n{rows}", limits)
    assert len(found) == 7
