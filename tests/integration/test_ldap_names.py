"""Attacks 43, 89 to 91 and 96 at a real daemon over a real OpenLDAP server: a name is nothing but a value, whatever it
has in it, and a password that is none lets nobody in."""

from __future__ import annotations

import base64
import smtplib
from collections.abc import Iterator

import pytest
import yaml

from tests.integration.daemon import running
from tests.integration.directory_site import realm_keys, use
from tests.integration.reading import trust
from tests.integration.site import HOST, Site, make_site
from tests.integration.slapd import SUFFIX, make_slapd, person, serving

BY_NAME = "template.example"
"""A domain whose users' DNs are made of their addresses."""

PEOPLE = (
    person("alice")
    + person("bob", "description: of the office, and of *")
    + person("carol", domain=BY_NAME)
    + person("dora", domain=BY_NAME)
)

LOCAL_PARTS = (
    "*",
    "a*",
    "*)(uid=*))(|(uid=*",
    "alice)(|(mail=*",
    "alice)(!(&(1=0",
    "\\61lice",
    "alice\\",
    "ali\\00ce",
    "carol,ou=people",
    "x,ou=admin",
    "+sn=carol",
    "#6361726f6c",
    " carol",
    "carol ",
    "carol\\",
    "alic\u0065\u0301",
    "%{user}",
    "{address}",
    "{local_part}",
    "${jndi:ldap://127.0.0.1/x}",
    "../alice",
    "alice/../bob",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("names")
    slapd, site = make_slapd(folder / "slapd"), make_site(folder / "site")
    use(site, slapd, realm_keys(slapd))
    configuration = yaml.safe_load(site.configuration.read_text())
    template = f"uid={{local_part}},ou=people,{SUFFIX}"
    configuration["realms"]["template"] = {"ldap": realm_keys(slapd, dn_template=template)}
    configuration["domains"][BY_NAME] = {"realm": "template"}
    configuration["limits"] |= {"exempt": ["127.0.0.0/8"], "login_failure_delay": "10 ms", "login_failures": 100}
    configuration["limits"] |= {"login_failures_per_user": 1000, "unknown_recipient_delay": "0 s"}
    configuration["limits"] |= {"unknown_recipients": 1000, "bad_commands": 1000}
    site.configuration.write_text(yaml.safe_dump(configuration))
    with serving(slapd, PEOPLE), running(site):
        yield site


def log_in(site: Site, user: str, password: str = "pass") -> int:
    """The code that submission answers with."""
    with smtplib.SMTP_SSL(HOST, site.ports["submissions"], context=trust(site), timeout=60) as client:
        client.ehlo()
        said = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return client.docmd("AUTH PLAIN", said)[0]


def at_rcpt(site: Site, address: str) -> int:
    with smtplib.SMTP(HOST, site.ports["smtp"], timeout=60) as client:
        client.ehlo()
        client.docmd("MAIL FROM:<someone@example.com> SMTPUTF8")
        client.send(f"RCPT TO:<{address}>\r\n".encode())
        return client.getreply()[0]


def maildirs(site: Site) -> set[str]:
    folder = site.folder / "maildirs"
    return {str(path.relative_to(folder)) for path in folder.glob("*/*")} if folder.is_dir() else set()


def test_those_who_are_there(site: Site) -> None:
    for address in ("alice@example.org", f"carol@{BY_NAME}"):
        assert (log_in(site, address), at_rcpt(site, address)) == (235, 250)
        assert log_in(site, address, "wrong") == 535


@pytest.mark.parametrize("domain", ["example.org", BY_NAME])
@pytest.mark.parametrize("local_part", LOCAL_PARTS)
def test_attacks_89_90_and_43_a_name_is_a_value(site: Site, local_part: str, domain: str) -> None:
    before = maildirs(site)
    quoted = '"' + local_part.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert log_in(site, f"{local_part}@{domain}") == 535
    assert log_in(site, f"{quoted}@{domain}") == 535
    assert {at_rcpt(site, f"{written}@{domain}") for written in (local_part, quoted)} <= {501, 550, 553}
    assert maildirs(site) == before


@pytest.mark.parametrize("password", ["", " ", "\t \r", "\0", "pass\0", "pass\0x"])
@pytest.mark.parametrize("user", ["alice@example.org", f"carol@{BY_NAME}"])
def test_attack_91_a_password_that_is_none_lets_nobody_in(site: Site, user: str, password: str) -> None:
    assert log_in(site, user, password) in (501, 535)


@pytest.mark.parametrize("name", ["Alice", "ALICE", "\uff41lice", '"alice"', "alice+sn=alice"])
def test_attack_96_a_user_is_one_user_however_they_are_written(site: Site, name: str) -> None:
    before = maildirs(site) | {"example.org/alice"}
    assert log_in(site, f"{name}@EXAMPLE.org") in (235, 535)
    assert at_rcpt(site, f"{name}@EXAMPLE.org") in (250, 550)
    assert maildirs(site) <= before
