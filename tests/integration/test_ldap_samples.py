"""The sample realms of conf/ldap over such entries as OpenLDAP, FreeIPA and Active Directory have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.daemon import Daemon, running
from tests.integration.directory_site import assert_serves, at_rcpt, by_imap, by_pop3, by_submission, use
from tests.integration.site import ALICE, make_site
from tests.integration.slapd import make_slapd, serving

CONF = Path(__file__).resolve().parents[2] / "conf/ldap"
ENTRIES = Path(__file__).parent / "ldap"
CAROL, SMITH, SALES = "carol@example.org", "a.smith@example.org", "sales@example.org"


def sample(name: str) -> dict[str, Any]:
    """The keys of the realm in a sample."""
    keys: dict[str, Any] = yaml.safe_load((CONF / f"{name}.yaml").read_text())["realms"]["directory"]["ldap"]
    return keys


@pytest.fixture
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon over a sample whose servers and files are filled in, and a server with such entries."""
    keys = sample(request.param)
    schema = ENTRIES / f"{request.param}.schema"
    slapd = make_slapd(tmp_path / "slapd", schemas=(schema,) if schema.exists() else (), service=keys["bind_dn"])
    site = make_site(tmp_path / "site")
    use(site, slapd, {**keys, "uris": [slapd.uris["ldaps"]], "ca": "ldap-ca.pem", "bind_password_file": "ldap.secret"})
    with serving(slapd, "\n" + (ENTRIES / f"{request.param}.ldif").read_text()), running(site) as served:
        yield served


def serves_by(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("daemon", [name], indirect=True)


@serves_by("openldap")
def test_openldap(daemon: Daemon) -> None:
    assert_serves(daemon.site)
    assert "AUTHENTICATIONFAILED" in by_imap(daemon.site, CAROL)
    assert by_pop3(daemon.site, CAROL).startswith("+OK")
    assert at_rcpt(daemon.site, SALES) == 250
    assert at_rcpt(daemon.site, SMITH) == 550


@serves_by("freeipa")
def test_freeipa(daemon: Daemon) -> None:
    assert_serves(daemon.site)
    assert_is_locked_out(daemon, CAROL)
    assert at_rcpt(daemon.site, SMITH) == 250
    assert by_submission(daemon.site, SMITH) == 535  # an alias is no login name


@serves_by("active-directory")
def test_active_directory(daemon: Daemon) -> None:
    assert_serves(daemon.site)
    assert_is_locked_out(daemon, CAROL)
    assert at_rcpt(daemon.site, SMITH) == 250
    assert at_rcpt(daemon.site, SALES) == 250
    assert at_rcpt(daemon.site, ALICE.upper()) == 250


def assert_is_locked_out(daemon: Daemon, user: str) -> None:
    """They cannot log in; their mail is taken."""
    assert "AUTHENTICATIONFAILED" in by_imap(daemon.site, user)
    assert by_submission(daemon.site, user) == 535
    assert at_rcpt(daemon.site, user) == 250
