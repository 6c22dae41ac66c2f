"""A real daemon over a real OpenLDAP server: logins, recipients, and what both are told while the directory is down."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS
from mailbox_d.auth.ldap_realm.directory import Query
from mailbox_d.auth.ldap_realm.servers import ServedDirectory
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.errors import AuthenticationUnavailable
from tests.integration.authority import Authority, Pair, forged, self_signed
from tests.integration.daemon import running
from tests.integration.directory_site import (
    LONG,
    Place,
    assert_serves,
    assert_unavailable,
    at_rcpt,
    by_imap,
    by_pop3,
    by_submission,
    realm_keys,
    use,
)
from tests.integration.site import ALICE, make_site
from tests.integration.slapd import SECRET, SUFFIX, Slapd, make_slapd, person, serving

CAROL = "carol@example.org"
EVERYBODY = person("alice") + person("carol")


@pytest.mark.parametrize("scheme", ["ldaps", "ldap", "ldapi"])
def test_the_contract_s_sample(tmp_path: Path, scheme: str) -> None:
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    use(site, slapd, realm_keys(slapd, scheme))
    with serving(slapd, EVERYBODY), running(site):
        assert_serves(site)
        assert "AUTHENTICATIONFAILED" in by_imap(site, password="wrong")
        assert by_pop3(site, user="nobody@example.org").startswith("b'-ERR [AUTH]")
        assert by_submission(site, user="*@example.org") == 535
        assert by_submission(site, password=" ") == 535


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A daemon that keeps nothing of what the directory says, and waits a second for it."""
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    use(site, slapd, realm_keys(slapd, cache=0, timeout="1s"))
    with serving(slapd, EVERYBODY), running(site) as daemon:
        yield Place(daemon, slapd)


def test_a_directory_that_is_down_comes_back(place: Place) -> None:
    assert_serves(place.site)
    place.slapd.stop()
    assert_unavailable(place.site)
    place.slapd.start()
    time.sleep(DEFAULT_BOUNDS.rest)
    assert_serves(place.site)
    assert "fails" in place.daemon.log_text()


def test_a_directory_that_hangs_holds_up_nobody_else(place: Place) -> None:
    assert_serves(place.site)
    place.slapd.hang()
    try:
        codes: list[int] = []
        waiting = [threading.Thread(target=lambda: codes.append(at_rcpt(place.site, ALICE))) for _ in range(20)]
        for thread in waiting:
            thread.start()
        assert at_rcpt(place.site, "bob@example.net") == 250  # of the realm that is a file
        for thread in waiting:
            thread.join()
        assert codes == [451] * 20
        assert_unavailable(place.site)
    finally:
        place.slapd.go_on()
    time.sleep(DEFAULT_BOUNDS.rest)
    assert_serves(place.site)


def test_a_password_that_was_right_is_good_for_a_while(tmp_path: Path) -> None:
    slapd, site = make_slapd(tmp_path / "slapd"), make_site(tmp_path / "site")
    use(site, slapd, realm_keys(slapd, cache="1 h", login_cache="1 h", timeout="1 s"))
    with serving(slapd, EVERYBODY), running(site) as daemon:
        assert by_imap(site) == by_imap(site, CAROL) == "OK"
        alice = f"dn: uid=alice,ou=people,{SUFFIX}\nchangetype: modify\n"
        slapd.change(f"{alice}replace: userPassword\nuserPassword: new\n")
        assert by_imap(site) == "OK"
        assert by_imap(site, password="new") == "OK"
        assert "AUTHENTICATIONFAILED" in by_imap(site)  # another one was good, so it has to prove itself
        slapd.stop()
        assert by_imap(site, CAROL) == "OK"
        assert "[UNAVAILABLE]" in by_imap(site, CAROL, "wrong")
        assert "[UNAVAILABLE]" in by_imap(site, ALICE, "new")  # a failed login ended that
        daemon.hang_up()
        deadline = time.monotonic() + LONG
        while by_imap(site, CAROL) == "OK":  # until all is asked anew
            assert time.monotonic() < deadline


TRUSTED = Authority()


def directory(slapd: Slapd, folder: Path, **keys: object) -> ServedDirectory:
    """The directory as the daemon would ask it."""
    (folder / "secret").write_text(SECRET)
    sure = {"ca": str(slapd.authority), "bind_password_file": str(folder / "secret"), "timeout": "5 s"}
    return ServedDirectory(LdapRealm.model_validate({**realm_keys(slapd), **sure, **keys}, context={"folder": folder}))


ALICES = Query(f"ou=people,{SUFFIX}", f"(mail={ALICE})", ("mail",))


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
@pytest.mark.parametrize(
    "pair",
    [
        TRUSTED.issue("elsewhere.example"),
        TRUSTED.expired("localhost"),
        self_signed("localhost"),
        forged(TRUSTED, "localhost"),
    ],
    ids=["name", "expired", "self-signed", "forged"],
)
def test_a_wrong_certificate_is_no_directory(tmp_path: Path, scheme: str, pair: Pair) -> None:
    slapd = make_slapd(tmp_path / "slapd", authority=TRUSTED)
    pair.write(slapd.folder, "slapd")
    with serving(slapd, EVERYBODY):
        asked = directory(slapd, tmp_path, uris=[slapd.uris[scheme]])
        with pytest.raises(AuthenticationUnavailable, match="certificate verify failed"):
            asked.search(ALICES)
        with pytest.raises(AuthenticationUnavailable):
            asked.accepts(f"uid=alice,ou=people,{SUFFIX}", b"pass")


def test_a_server_that_wants_tls_gets_it_before_anything_is_said(tmp_path: Path) -> None:
    slapd = make_slapd(tmp_path / "slapd", require_tls=True)
    with serving(slapd, EVERYBODY):
        for scheme in ("ldap", "ldaps"):
            assert len(directory(slapd, tmp_path, uris=[slapd.uris[scheme]]).search(ALICES)) == 1


def test_the_next_server_takes_over(tmp_path: Path) -> None:
    first, second = (make_slapd(tmp_path / name, authority=TRUSTED) for name in ("first", "second"))
    with serving(second, EVERYBODY), serving(first, EVERYBODY):
        asked = directory(first, tmp_path, uris=[first.uris["ldaps"], second.uris["ldaps"]])
        assert len(asked.search(ALICES)) == 1
        first.stop()
        assert len(asked.search(ALICES)) == 1
        assert asked.accepts(f"uid=alice,ou=people,{SUFFIX}", b"pass")
        second.stop()
        with pytest.raises(AuthenticationUnavailable):
            asked.search(ALICES)


@pytest.mark.parametrize(
    "keys",
    [{"bind_dn": f"cn=other,{SUFFIX}"}, {"base": "dc=elsewhere"}, {"ca": None}],
    ids=["bind_dn", "base", "ca"],
)
def test_a_wrong_key_is_nobody_s_wrong_password(tmp_path: Path, keys: dict[str, object]) -> None:
    slapd = make_slapd(tmp_path / "slapd")
    with serving(slapd, EVERYBODY):
        asked = directory(slapd, tmp_path, **keys)
        with pytest.raises(AuthenticationUnavailable):
            asked.search(Query(str(keys.get("base", ALICES.base)), ALICES.filter, ("mail",)))


def test_the_daemon_s_password_may_change(tmp_path: Path) -> None:
    slapd = make_slapd(tmp_path / "slapd")
    with serving(slapd, EVERYBODY):
        asked = directory(slapd, tmp_path)
        (tmp_path / "secret").write_text("another")
        with pytest.raises(AuthenticationUnavailable, match="bind_dn"):
            asked.search(ALICES)
        (tmp_path / "secret").write_text(SECRET + "\n")
        time.sleep(DEFAULT_BOUNDS.rest)
        assert len(asked.search(ALICES)) == 1
