"""The sample site: made once, never touched again, and shown with commands that fit it."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
import yaml

from mailbox_d.auth.passwords import StoredPassword
from mailbox_d.ctl import sample_site
from mailbox_d.ctl.sample_site import Site

CONFIGURATION = Path(__file__).resolve().parents[3] / "conf/mailboxd.yaml"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "conf").mkdir()
    shutil.copy(CONFIGURATION, tmp_path / "conf")
    made = Site(tmp_path / "conf/mailboxd.yaml")
    sample_site.prepare(made)
    return made


def test_everything_that_the_configuration_names_is_made(site: Site) -> None:
    configuration = yaml.safe_load(site.configuration.read_text())
    named = [path for pair in configuration["tls"]["certificates"] for path in pair.values()]
    named += [realm["yaml"] for realm in configuration["realms"].values()]
    assert all((site.configuration.parent / path).is_file() for path in named)


def test_users_have_a_password_each_hashed_in_the_users_file(site: Site) -> None:
    passwords = sample_site.read_passwords(site)
    users = yaml.safe_load(site.users.read_text())["users"]
    assert set(users) == set(passwords) == set(sample_site.USERS)
    assert len(set(passwords.values())) == len(passwords)
    for user, record in users.items():
        stored = StoredPassword.parse(record["password"])
        assert stored.scheme == "ARGON2ID" and stored.verify(passwords[user].encode())


@pytest.mark.parametrize("path", ["passwords", "users"])
def test_secrets_are_for_their_owner_alone(site: Site, path: str) -> None:
    assert stat.S_IMODE(getattr(site, path).stat().st_mode) == 0o600


def test_second_run_changes_nothing(site: Site) -> None:
    before = {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}
    sample_site.prepare(site)
    assert {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()} == before


def test_introduction_survives_a_removed_password_file(site: Site) -> None:
    site.passwords.unlink()
    sample_site.prepare(site)
    assert "alice@example.org:PASSWORD" in sample_site.introduction(site)


def test_table_has_a_row_for_each_service_and_user(site: Site) -> None:
    lines = sample_site.introduction(site).splitlines()
    passwords = sample_site.read_passwords(site)
    for address in ("127.0.0.1:2587", "127.0.0.1:2465", "127.0.0.1:2143", "127.0.0.1:2993", "127.0.0.1:2995"):
        rows = [line.split() for line in lines if f" {address} " in line]
        assert [row[-2:] for row in rows] == [[user, passwords[user]] for user in sample_site.USERS]
    assert any("127.0.0.1:2525" in line for line in lines)


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [("tcp:2525:interface=127.0.0.1", "127.0.0.1:2525"), ("tcp:25", "*:25"), ("unix:/run/lmtp", "/run/lmtp")],
)
def test_endpoint_is_shown_as_an_address(site: Site, endpoint: str, shown: str) -> None:
    assert sample_site.readable_endpoint(site, endpoint) == shown
