"""Loading: what is returned, what is warned of, and that nothing but a `ConfigurationError` is ever raised."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from mailbox_d.config import checks
from mailbox_d.config.certificates import inspect_pair
from mailbox_d.config.explain import MOST_FAULTS
from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.load import Loaded, load
from mailbox_d.config.model import Configuration
from mailbox_d.config.scalars import ServerAddress
from mailbox_d.config.source import DocumentLimits
from mailbox_d.ctl.self_signed import make_certificate
from tests.integration.authority import Authority, now

CONTRACT = Path(__file__).resolve().parents[2] / "contract/site"

MINIMAL = """\
hostname: Mail.Example.ORG
storage: {maildirs: maildirs, state: /var/lib/mailboxd}
listeners: {smtp: ["tcp:25"]}
realms: {staff: {yaml: users.yaml}}
domains: {Example.org: {realm: staff}}
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificate(folder, ("mail.example.org", "imap.example.org"))
    make_certificate(folder, ("mail.example.net",))
    return folder


@pytest.fixture
def site(tmp_path: Path, certificates: Path) -> Path:
    """The contract's site with its certificates."""
    shutil.copytree(CONTRACT, tmp_path, dirs_exist_ok=True)
    shutil.copytree(certificates, tmp_path / "tls")
    (tmp_path / "users.yaml").chmod(0o600)
    return tmp_path


def load_text(folder: Path, text: str) -> Loaded:
    (folder / "mailboxd.yaml").write_text(text, encoding="utf-8")
    return load(folder / "mailboxd.yaml")


def faults_of(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_text(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def test_the_smallest_configuration(site: Path) -> None:
    configuration = load_text(site, MINIMAL).configuration
    assert configuration.hostname == "mail.example.org"
    assert list(configuration.domains) == ["example.org"]
    assert configuration.storage.maildirs == site / "maildirs"
    assert configuration.storage.state == Path("/var/lib/mailboxd")
    assert configuration.login.allow_plaintext is False
    assert configuration.limits.connections == 10_000


def test_a_relative_path_to_the_file_gives_absolute_paths(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site)
    configuration = load(Path("mailboxd.yaml")).configuration
    assert configuration.storage.maildirs == site / "maildirs"


def test_a_configuration_cannot_be_changed(site: Path) -> None:
    configuration = load(site / "mailboxd.yaml").configuration
    with pytest.raises(ValidationError):
        configuration.hostname = "other.example.org"  # type: ignore[misc]
    with pytest.raises(TypeError):
        configuration.domains["example.com"] = configuration.domains["example.org"]  # type: ignore[index]


def test_domains_in_unicode_are_known_by_their_a_labels(site: Path) -> None:
    text = MINIMAL.replace("Example.org", "Bücher.example").replace(
        "{realm: staff}", "{realm: staff, catch_all: bob@BÜCHER.example}"
    )
    domains = load_text(site, text).configuration.domains
    assert list(domains) == ["xn--bcher-kva.example"]
    assert str(domains["xn--bcher-kva.example"].catch_all) == "bob@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:5353", ServerAddress("127.0.0.1", 5353)),
        ("127.0.0.1", ServerAddress("127.0.0.1", 53)),
        ("'[::1]:5353'", ServerAddress("::1", 5353)),
        ("'[::1]'", ServerAddress("::1", 53)),
        ("'::1'", ServerAddress("::1", 53)),
    ],
)
def test_resolvers(site: Path, text: str, address: ServerAddress) -> None:
    assert load_text(site, MINIMAL + f"queue: {{resolver: {text}}}\n").configuration.queue.resolver == address


def test_attack_056_a_key_that_everyone_can_read_is_a_warning(site: Path) -> None:
    (site / "tls/mail.example.org.key").chmod(0o644)
    (warning,) = load(site / "mailboxd.yaml").warnings
    assert warning.key == "tls.certificates[0].key"
    assert str(warning).endswith('every user of this machine can read "mail.example.org.key", expected mode 600 or 640')


def test_a_users_file_that_everyone_can_read_is_a_warning(site: Path) -> None:
    for mode, least in ((0o644, 1), (0o640, 0), (0o604, 1)):
        (site / "users.yaml").chmod(mode)
        assert [warning.key for warning in load(site / "mailboxd.yaml").warnings] == ["realms.staff.yaml"] * least


def test_attack_056_an_expired_certificate_is_a_fault_and_one_that_soon_will_be_a_warning(site: Path) -> None:
    expires = inspect_pair(site / "tls/mail.example.org.pem", site / "tls/mail.example.org.key").expires
    loaded = load(site / "mailboxd.yaml", now=expires - timedelta(days=3))
    assert [warning.key for warning in loaded.warnings] == [
        "tls.certificates[0].certificate",
        "tls.certificates[1].certificate",
    ]
    with pytest.raises(ConfigurationError, match="it expired on"):
        load(site / "mailboxd.yaml", now=expires + timedelta(days=1))


def test_a_certificate_of_the_future_is_a_warning(site: Path) -> None:
    warnings = load(site / "mailboxd.yaml", now=datetime(2020, 1, 1, tzinfo=UTC)).warnings
    assert all("it is not valid before" in warning.problem for warning in warnings)
    assert len(warnings) == 2


def test_a_pair_says_its_names(site: Path) -> None:
    pair = inspect_pair(site / "tls/mail.example.org.pem", site / "tls/mail.example.org.key")
    assert pair.names == ("mail.example.org", "imap.example.org")


def test_a_broken_folder_of_certbots_is_left_out_with_a_warning(site: Path) -> None:
    for name in ("good", "gone", "empty"):
        (site / "live" / name).mkdir(parents=True)
    shutil.copy(site / "tls/mail.example.org.pem", site / "live/good/fullchain.pem")
    shutil.copy(site / "tls/mail.example.org.key", site / "live/good/privkey.pem")
    shutil.copy(site / "tls/mail.example.org.pem", site / "live/gone/fullchain.pem")
    (site / "live/README").write_text("certbot writes this\n")
    (warning,) = load_text(site, MINIMAL + "tls: {directory: live}\n").warnings
    assert warning.problem.startswith('"gone" is left out: key: the file cannot be read')


def test_checks_across_keys_run_where_single_values_are_wrong(site: Path) -> None:
    text = MINIMAL.replace("Mail", "Ma..il").replace("realm: staff", "realm: stuff")
    assert faults_of(site, text).splitlines() == [
        'mailboxd.yaml:1:11: hostname: "Ma..il.Example.ORG" is not a domain name, '
        "expected a host name such as mail.example.org",
        'mailboxd.yaml:5:32: domains.Example.org.realm: the realm "stuff" is unknown, did you mean "staff"?',
    ]


def test_items_of_a_list_keep_their_places_where_others_are_wrong(site: Path) -> None:
    text = MINIMAL + "tls:\n  certificates:\n    - x\n    - {certificate: none.pem, key: none.key}\n    - {key: x}\n"
    assert [line.split(": ")[0:2] for line in faults_of(site, text).splitlines()] == [
        ["mailboxd.yaml:8:7", "tls.certificates[0]"],
        ["mailboxd.yaml:9:21", "tls.certificates[1].certificate"],
        ["mailboxd.yaml:9:36", "tls.certificates[1].key"],
        ["mailboxd.yaml:10:7", "tls.certificates[2].certificate"],
    ]


def test_a_broken_realm_is_not_told_as_an_unknown_one(site: Path) -> None:
    text = MINIMAL.replace("{yaml: users.yaml}", "{yaml: [users.yaml]}")
    assert faults_of(site, text) == "mailboxd.yaml:4:18: realms.staff.yaml: this is a list, expected a path"


def test_broken_listeners_and_certificates_are_not_told_as_missing_ones(site: Path) -> None:
    text = MINIMAL.replace("smtp:", "imaps:").replace("tcp:25", "tpc:25") + "tls: {certificates: [x]}\n"
    assert len(faults_of(site, text).splitlines()) == 2


def test_a_service_that_needs_tls_is_content_with_a_domains_certificate(site: Path) -> None:
    pair = "{certificate: tls/mail.example.org.pem, key: tls/mail.example.org.key}"
    text = MINIMAL.replace("smtp:", "imaps:").replace("{realm: staff}", f"{{realm: staff, tls: {pair}}}")
    assert load_text(site, text).warnings == ()


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("tcp:25", "tcp:25", True),
        ("tcp:25", "tcp:26", False),
        ("tcp:0", "tcp:0", False),
        ("tcp:25", "tcp:25:interface=0.0.0.0", True),
        ("tcp:25:interface=127.0.0.1", "tcp:25", True),
        ("tcp:25:interface=127.0.0.1", "tcp:25:interface=127.0.0.2", False),
        (r"tcp:25:interface=\:\:1", r"tcp:25:interface=\:\:2", False),
        (r"tcp:25:interface=\:\:1", r"tcp:25:interface=\:\:", True),
        (r"tcp:25:interface=\:\:1", "tcp:25", False),
        (r"tcp:25:interface=\:\:", "tcp:25", True),
        ("tcp:25:interface=127.0.0.1", r"tcp:25:interface=\:\:", True),
        ("unix:a", "unix:a:mode=600", True),
        ("unix:a", "unix:b", False),
        ("systemd:domain=INET:index=0", "systemd:domain=INET:index=1", False),
    ],
)
def test_two_services_cannot_share_a_place(
    site: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str, clash: bool
) -> None:
    monkeypatch.setattr(checks, "is_dual_stack", lambda: True)
    text = MINIMAL.replace('["tcp:25"]', f"['{first}'], lmtp: ['{second}']")
    if clash:
        assert "listeners.lmtp[0]: listeners.smtp[0] listens there already" in faults_of(site, text)
    else:
        assert load_text(site, text).configuration.listeners.lmtp


def test_a_thousand_faults_are_not_explained_one_by_one(site: Path) -> None:
    text = MINIMAL + "limits:\n" + "".join(f"  mesage_size{n}: 1\n" for n in range(20_000))
    assert len(faults_of(site, text).splitlines()) == MOST_FAULTS


@pytest.mark.parametrize("starttls", ["required", "none"])
def test_ldap_in_clear_text_is_for_the_loopback_interface(site: Path, starttls: str) -> None:
    ldap = f"{{ldap: {{uris: ['ldap://127.0.0.1:3389', 'ldapi://%2Frun'], base: dc=x, starttls: {starttls}}}}}"
    text = MINIMAL.replace("{yaml: users.yaml}", ldap)
    assert load_text(site, text).configuration.realms["staff"].ldap is not None


def test_the_files_limits_hold(site: Path) -> None:
    with pytest.raises(ConfigurationError, match="the file goes on after 100 octets"):
        load(site / "mailboxd.yaml", limits=DocumentLimits(size=100))


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none.yaml:1:1: the file cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")


def change_character(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text))
    return text[:at] + chance.choice("\t\0:[]{}\"'#&*!-0aé\n\\") + text[at + 1 :]


def remove_line(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    del lines[chance.randrange(len(lines))]
    return "".join(lines)


def repeat_line(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    return "".join([*lines[:at], lines[at], *lines[at:]])


def cut(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text))]


def swap_lines(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "".join(lines)


def replace_value(text: str, chance: random.Random) -> str:
    """Put something else behind a key that has a value on its line."""
    lines = text.splitlines(keepends=True)
    candidates = [place for place, line in enumerate(lines) if ": " in line.split("#")[0]]
    if not candidates:
        return text
    at = chance.choice(candidates)
    key, _, _ = lines[at].partition(": ")
    values = (
        "null",
        "no",
        "-1",
        "99999999999",
        "[]",
        "{}",
        "[[x]]",
        "{x: {y: z}}",
        "1:30",
        "*a",
        "!!int 3",
        "''",
        "..",
        "é",
    )
    return "".join([*lines[:at], f"{key}: {chance.choice(values)}\n", *lines[at + 1 :]])


def indent_line(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    return "".join([*lines[:at], " " * chance.randrange(1, 5) + lines[at], *lines[at + 1 :]])


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    change_character,
    remove_line,
    repeat_line,
    cut,
    swap_lines,
    replace_value,
    indent_line,
)


@pytest.mark.parametrize("seed", range(300))
def test_a_mutated_file_loads_or_has_faults_with_places(seed: int, site: Path) -> None:
    chance = random.Random(seed)
    text = (CONTRACT / "mailboxd.yaml").read_text(encoding="utf-8")
    for _ in range(chance.randrange(1, 4)):
        text = chance.choice(MUTATIONS)(text, chance)
    try:
        assert isinstance(load_text(site, text).configuration, Configuration)
    except ConfigurationError as error:
        assert error.faults
        for fault in error.faults:
            assert fault.file == str(site / "mailboxd.yaml")
            assert 1 <= fault.line <= text.count("\n") + 2
            assert fault.column >= 1
            assert fault.problem
            assert "another kind of value" not in str(fault)
            assert "Input should" not in str(fault)
            assert "this is not YAML" not in str(fault)


def test_authorities_of_clients_that_nobody_is_asked_for(site: Path) -> None:
    ca = "tls/mail.example.org.pem"
    (warning,) = load_text(site, MINIMAL + f"login: {{client_certificates: {{ca: {ca}}}}}\n").warnings
    assert str(warning).endswith("nobody is asked for a certificate, expected EXTERNAL among the mechanisms")
    asked = f"login: {{mechanisms: [EXTERNAL], client_certificates: {{ca: {ca}}}}}\n"
    assert not load_text(site, MINIMAL + asked).warnings


@pytest.mark.parametrize(
    ("weeks", "left", "warnings"),
    [
        (2, timedelta(days=-1), ["the list of Users' authority expired on {}: no certificate of its making is taken"]),
        (2, timedelta(days=3), ["the list of Users' authority expires on {}"]),
        (2, timedelta(days=10), []),
        (50, timedelta(days=13), ["the list of Users' authority expires on {}"]),
        (50, timedelta(days=15), []),
    ],
)
def test_a_list_of_what_is_revoked_that_is_out_of_date(
    site: Path, weeks: int, left: timedelta, warnings: list[str]
) -> None:
    authority, expires = Authority("Users' authority"), now() + timedelta(weeks=weeks)
    authority.write(site, "users")
    (site / "users.crl").write_bytes(authority.revoke(expires=expires))
    section = "login: {mechanisms: [EXTERNAL], client_certificates: {ca: users.pem, crl: users.crl}}\n"
    (site / "mailboxd.yaml").write_text(MINIMAL + section)
    told = [str(warning) for warning in load(site / "mailboxd.yaml", now=expires - left).warnings]
    place = "login.client_certificates.crl: "
    assert [text.partition(place)[2] for text in told] == [w.format(f"{expires:%Y-%m-%d %H:%M} UTC") for w in warnings]
