"""Users log in by tokens of an issuer that listens on loopback, with clients that nobody here wrote."""

from __future__ import annotations

import base64
import imaplib
import json
import poplib
import smtplib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.authority import Authority
from tests.integration.daemon import Daemon, running
from tests.integration.imap_programs import on_terminal
from tests.integration.issuer import CLIENT, SECRET, Issuer
from tests.integration.ports import HOST
from tests.integration.programs import require, run
from tests.integration.reading import trust
from tests.integration.site import ALICE, BOB, PASSWORD, Site, make_site
from tests.unit.auth.tokens.signing import AUDIENCE, EC, ED, ISSUER, Signer, key_set

EVERY_KIND = ("submissions", "imaps", "pop3s")
SIGNER = Signer("ES256", EC)

SIGNED = """\
    jwt:
      issuer: {issuer}
      audience: {audience}
      keys_url: {url}/keys
      ca: {ca}
"""
ASKED = """\
    introspection:
      url: {url}/introspect
      client_id: {client}
      client_secret_file: issuer.secret
      ca: {ca}
"""
FROM_FILE = """\
    jwt:
      issuer: {issuer}
      audience: {audience}
      keys_file: keys.json
"""
MUTT = """\
set ssl_ca_certificates_file={certificate} ssl_force_tls=yes ssl_verify_host=yes
set imap_user={user} imap_authenticators=oauthbearer imap_oauth_refresh_command="cat {folder}/token"
set spoolfile=imaps://localhost:{port}/ folder={folder} quit=yes wait_key=no move=no beep=no
set header_cache="" message_cachedir="" tmpdir={folder}
"""


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    authority = Authority()
    authority.write(tmp_path, "issuers")
    with Issuer(authority.issue("localhost")) as issuer:
        issuer.keys = key_set(SIGNER)
        issuer.active["opaque-of-alice"] = {"email": ALICE, "exp": time.time() + 300}
        yield issuer


@pytest.fixture(params=[SIGNED, ASKED], ids=["jwt", "introspection"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path, issuer: Issuer) -> Iterator[Daemon]:
    site = make_site(tmp_path / "site")
    (site.folder / "issuer.secret").write_text(SECRET + "\n")
    (site.folder / "issuer.secret").chmod(0o600)
    section = request.param.format(
        issuer=ISSUER, audience=AUDIENCE, client=CLIENT, url=issuer.url, ca=tmp_path / "issuers.pem"
    )
    login = f"login:\n  mechanisms: [PLAIN, OAUTHBEARER, XOAUTH2]\n  tokens:\n    timeout: 2 s\n{section}"
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("\nlogin:\n", f"\n{login}", 1))
    with running(site) as served:
        yield served


@pytest.fixture
def token(daemon: Daemon) -> str:
    """One of Alice's, as the daemon's issuer makes them."""
    return signed() if "keys_url" in daemon.site.configuration.read_text() else "opaque-of-alice"


def signed(**changed: Any) -> str:
    now = time.time()
    return SIGNER.token(**({"exp": now + 300, "nbf": now - 5} | changed))


def curl(site: Site, kind: str, mechanism: str, token: str, user: str = ALICE, *, initial: bool = False) -> bool:
    """Whether curl lists what there is in an account, or is let in for sending; `initial`: it sends all at once."""
    scheme = {"imaps": "imaps", "pop3s": "pop3s", "submissions": "smtps"}[kind]
    login = ["--user", user, "--oauth2-bearer", token, "--login-options", f"AUTH={mechanism}"]
    asks = ["--request", "NOOP"] if kind == "submissions" else []
    asks += ["--sasl-ir"] if initial else []
    url = f"{scheme}://localhost:{site.ports[kind]}/"
    return run([require("curl"), "-sS", "--cacert", site.certificate, *login, *asks, url], status=None).returncode == 0


def mutt(site: Site, token: str, folder: Path) -> str:
    """Open the mailbox and leave; what mutt showed. It has the token from a program."""
    (folder / "token").write_text(token)
    values = {"port": site.ports["imaps"], "certificate": site.certificate, "user": ALICE, "folder": folder}
    (folder / "muttrc").write_text(MUTT.format(**values))
    return on_terminal([require("mutt"), "-n", "-F", str(folder / "muttrc"), "-e", 'push "<quit>"'], folder)


def by_imap(site: Site, user: str, token: str) -> str:
    """What imaplib is answered that logs in by XOAUTH2: OK, or the failure's text."""
    said = f"user={user}\1auth=Bearer {token}\1\1".encode()
    told = [said, b""]
    with imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=60) as session:
        try:
            return session.authenticate("XOAUTH2", lambda _: told.pop(0))[0]
        except imaplib.IMAP4.error as error:
            return str(error)


def test_who_is_let_in(daemon: Daemon, token: str) -> None:
    site = daemon.site
    for kind in EVERY_KIND:
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            assert curl(site, kind, mechanism, token), (kind, mechanism)
    assert not curl(site, "imaps", "XOAUTH2", token, BOB)
    assert not curl(site, "pop3s", "OAUTHBEARER", token, BOB)
    assert not curl(site, "submissions", "XOAUTH2", token[:-6] + "AAAAAA")
    assert by_imap(site, ALICE, token) == "OK"
    assert "AUTHENTICATIONFAILED" in by_imap(site, ALICE, "made-up")
    assert f"login failed: service=imap peer={HOST} user={BOB}" in daemon.log_text()
    assert token not in daemon.log_text()


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("size", [3000, 8000])
def test_a_token_may_be_long(tmp_path: Path, mechanism: str, size: int) -> None:
    """As of issuers that write down all groups of a user; programs send it with the command, or after a challenge."""
    site = make_site(tmp_path / "site")
    login = "login:\n  mechanisms: [OAUTHBEARER, XOAUTH2]\n  tokens:\n"
    section = FROM_FILE.format(issuer=ISSUER, audience=AUDIENCE)
    site.configuration.write_text(site.configuration.read_text().replace("\nlogin:\n", f"\n{login}{section}", 1))
    (site.folder / "keys.json").write_bytes(key_set(SIGNER))
    plain = len(signed())
    token = signed(groups="x" * ((size - plain - 60) * 3 // 4))
    assert size - 200 < len(token) <= size
    with running(site):
        for kind in EVERY_KIND:
            assert curl(site, kind, mechanism, token), kind
            assert curl(site, kind, mechanism, token, initial=True), kind


def test_smtplib(daemon: Daemon, token: str) -> None:
    with smtplib.SMTP_SSL(HOST, daemon.site.ports["submissions"], context=trust(daemon.site), timeout=60) as client:
        client.ehlo()
        code, _ = client.auth("XOAUTH2", lambda _=None: f"user={ALICE}\1auth=Bearer {token}\1\1")  # type: ignore[misc]
        assert code == 235


def test_attack_32_no_token_is_taken_outside_tls(daemon: Daemon, token: str) -> None:
    """Though passwords may go there on this site."""
    ports, said = daemon.site.ports, f"user={ALICE}\1auth=Bearer {token}\1\1".encode()
    line = f"AUTH XOAUTH2 {base64.b64encode(said).decode()}"
    with imaplib.IMAP4(HOST, ports["imap"], timeout=60) as imap:
        assert [name for name in imap.capabilities if name.startswith("AUTH=")] == ["AUTH=PLAIN"]
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            imap.authenticate("XOAUTH2", lambda _: said)
        imap.starttls(trust(daemon.site))
        assert imap.authenticate("XOAUTH2", lambda _: said)[0] == "OK"
    pop3 = poplib.POP3(HOST, ports["pop3"], timeout=60)
    assert pop3.capa()["SASL"] == ["PLAIN"]
    with pytest.raises(poplib.error_proto, match="Begin TLS"):
        pop3._shortcmd(line)  # type: ignore[attr-defined]
    pop3.stls(trust(daemon.site))
    assert pop3._shortcmd(line).startswith(b"+OK")  # type: ignore[attr-defined]
    pop3.quit()
    with smtplib.SMTP(HOST, ports["submission"], timeout=60) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        assert smtp.docmd(line)[0] == 538
        smtp.starttls(context=trust(daemon.site))
        smtp.ehlo()
        assert smtp.docmd(line)[0] == 235


def test_keys_in_a_file(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    login = "login:\n  mechanisms: [OAUTHBEARER]\n  tokens:\n" + FROM_FILE.format(issuer=ISSUER, audience=AUDIENCE)
    site.configuration.write_text(site.configuration.read_text().replace("\nlogin:\n", f"\n{login}", 1))
    keys = site.folder / "keys.json"
    keys.write_bytes(key_set(SIGNER))
    with running(site) as daemon:
        mutt(site, signed(), tmp_path)
        assert f"login: service=imap peer={HOST} user={ALICE} mechanism=OAUTHBEARER" in daemon.log_text()
        assert not curl(site, "imaps", "OAUTHBEARER", signed(exp=time.time() - 60))
        assert not curl(site, "imaps", "OAUTHBEARER", signed(aud="calendar"))
        assert not curl(site, "imaps", "OAUTHBEARER", signed(email="nobody@example.org"), "nobody@example.org")


def test_an_issuer_changes_its_keys_while_somebody_makes_some_up(tmp_path: Path, issuer: Issuer) -> None:
    """Who made up a name of a key has made a wrong guess; who has a token of the new key comes in."""
    site = make_site(tmp_path / "site")
    section = SIGNED.format(issuer=ISSUER, audience=AUDIENCE, url=issuer.url, ca=tmp_path / "issuers.pem")
    login = f"login:\n  mechanisms: [XOAUTH2]\n  tokens:\n{section}"
    site.configuration.write_text(site.configuration.read_text().replace("\nlogin:\n", f"\n{login}", 1))
    new = Signer("EdDSA", ED, "new")
    odd = {"keys": [{"kty": "RSA", "alg": "none", "kid": "odd", "n": "AQAB", "e": "AQAB"}, SIGNER.jwk(), new.jwk()]}
    good = new.token(exp=time.time() + 300, nbf=time.time() - 5)
    with running(site):
        assert by_imap(site, ALICE, signed()) == "OK"
        with ThreadPoolExecutor(4) as clients:
            told = [clients.submit(by_imap, site, BOB, Signer(name=f"made-up-{n}").token()) for n in range(3)]
            issuer.keys = json.dumps(odd).encode()
            assert by_imap(site, ALICE, good) == "OK"
            assert all("AUTHENTICATIONFAILED" in one.result() for one in told)
        assert by_imap(site, ALICE, good) == by_imap(site, ALICE, signed()) == "OK"


def test_an_issuer_that_is_gone_or_silent_says_nothing_of_tokens(daemon: Daemon, issuer: Issuer, token: str) -> None:
    """Under load of many logins; who has a password comes in meanwhile, and with the issuer all is as before."""
    site = daemon.site
    issuer.stalls = True
    with ThreadPoolExecutor(8) as clients:
        told = [clients.submit(by_imap, site, ALICE, token) for _ in range(16)]
        session = poplib.POP3_SSL(HOST, site.ports["pop3s"], context=trust(site), timeout=60)
        session.user(BOB)
        assert session.pass_(PASSWORD).startswith(b"+OK")
        session.quit()
        assert all("UNAVAILABLE" in one.result() for one in told)
    issuer.stop()
    assert "UNAVAILABLE" in by_imap(site, ALICE, token)
    issuer.stalls = False
    issuer.start()
    deadline = time.monotonic() + 30
    while by_imap(site, ALICE, token) != "OK":  # it is asked again some seconds after a failure
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert f"login failed: service=imap peer={HOST} user={ALICE}" not in daemon.log_text()
