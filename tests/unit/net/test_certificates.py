"""Certificates on disk: which one a name gets, and files that change, break, mismatch and vanish meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.model import Configuration
from mailbox_d.net import certificates as module
from mailbox_d.net.certificate_reload import CertificateReload
from mailbox_d.net.certificates import Certificates, PairFiles, declared_pairs
from tests.unit.net.pki import NOW, WEEK, new_pair, replace, replace_pair, write_pair
from tests.unit.net.tls_peers import Client, Server


@pytest.fixture
def log() -> Any:
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def errors(log: list[dict[str, Any]]) -> list[str]:
    return [event["fault"] for event in log if event["log_level"] == LogLevel.error]


def served(certificates: Certificates, name: str | None = None) -> list[str]:
    """The names of the certificate that a client gets."""
    return Client(Server(certificates.context("imap")), name).shake_hands().names


def live(folder: Path, name: str, names: list[str] | None = None, expires: datetime = NOW + WEEK) -> tuple[Path, Path]:
    """A folder as certbot makes it below `live/`."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    files = (folder / name / "fullchain.pem", folder / name / "privkey.pem")
    replace_pair(files, new_pair(names or [name], expires))
    return files


def test_the_first_pair_is_the_default(tmp_path: Path) -> None:
    pairs = [PairFiles(*write_pair(tmp_path, name, [f"{name}.example"])) for name in ("b", "a")]
    certificates = Certificates(pairs)
    assert served(certificates) == ["b.example"]
    assert served(certificates, "a.example") == ["a.example"]


def test_without_any_pair_there_is_no_tls(tmp_path: Path) -> None:
    assert Certificates([]).context("imap") is None
    assert Certificates([], tmp_path).context("imap") is None


def test_a_folder_in_certbots_layout_serves_all_its_names(tmp_path: Path) -> None:
    live(tmp_path, "mail.example.org", ["mail.example.org", "imap.example.org"])
    live(tmp_path, "mail.example.net")
    (tmp_path / "README").write_text("how this folder is made")
    (tmp_path / "empty").mkdir()
    certificates = Certificates([], tmp_path)
    assert served(certificates, "imap.example.org") == ["mail.example.org", "imap.example.org"]
    assert served(certificates, "mail.example.net") == ["mail.example.net"]


def test_a_declared_pair_is_the_default_before_the_folders(tmp_path: Path) -> None:
    live(tmp_path / "live", "a.example")
    certificates = Certificates([PairFiles(*write_pair(tmp_path, "z", ["z.example"]))], tmp_path / "live")
    assert served(certificates) == ["z.example"]
    assert served(certificates, "a.example") == ["a.example"]


def test_of_two_in_the_folder_the_one_that_expires_last_is_served(tmp_path: Path) -> None:
    live(tmp_path, "example.org", ["example.org", "old.example.org"], NOW + WEEK)
    live(tmp_path, "example.org-0001", ["example.org", "new.example.org"], NOW + 2 * WEEK)
    live(tmp_path, "example.org-0002", ["example.org", "older.example.org"], NOW + timedelta(days=1))
    certificates = Certificates([], tmp_path)
    assert "new.example.org" in served(certificates, "example.org")
    assert "old.example.org" in served(certificates, "old.example.org")


def test_a_domains_own_pair_is_served_for_it_whatever_others_say(tmp_path: Path) -> None:
    general = PairFiles(*write_pair(tmp_path, "general", ["general.example", "example.org"]))
    own = PairFiles(*write_pair(tmp_path, "own", ["own.example"]), names=("example.org",))
    certificates = Certificates([general, own])
    assert served(certificates, "example.org") == ["own.example"]
    assert served(certificates, "own.example") == ["own.example"]
    assert served(certificates) == ["general.example", "example.org"]


def test_of_two_declared_the_first_is_served(tmp_path: Path) -> None:
    pairs = [PairFiles(*write_pair(tmp_path, name, [f"{name}.example", "both.example"])) for name in "ab"]
    assert served(Certificates(pairs), "both.example") == ["a.example", "both.example"]


def test_what_the_configuration_names_is_declared(tmp_path: Path) -> None:
    pair = {"certificate": str(tmp_path / "a.pem"), "key": str(tmp_path / "a.key")}
    own = {"certificate": str(tmp_path / "b.pem"), "key": str(tmp_path / "b.key")}
    configuration = Configuration.model_validate(
        {
            "hostname": "mail.example.org",
            "storage": {"maildirs": str(tmp_path / "maildirs"), "state": str(tmp_path / "state")},
            "listeners": {},
            "tls": {"certificates": [pair]},
            "realms": {"staff": {"yaml": str(tmp_path / "users.yaml")}},
            "domains": {"example.org": {"realm": "staff", "tls": own}, "example.net": {"realm": "staff"}},
        }
    )
    assert declared_pairs(configuration) == (
        PairFiles(tmp_path / "a.pem", tmp_path / "a.key"),
        PairFiles(tmp_path / "b.pem", tmp_path / "b.key", ("example.org",)),
    )


def test_a_replaced_pair_is_served_after_the_next_look(tmp_path: Path, log: list[dict[str, Any]]) -> None:
    files = write_pair(tmp_path, "org", ["old.example"])
    certificates = Certificates([PairFiles(*files)])
    context = certificates.context("imap")
    replace_pair(files, new_pair(["new.example"]))
    assert Client(Server(context)).shake_hands().names == ["old.example"]
    certificates.refresh()
    assert Client(Server(context)).shake_hands().names == ["new.example"]
    assert served(certificates, "old.example") == ["new.example"]
    assert errors(log) == []


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    certificates = Certificates([PairFiles(*write_pair(tmp_path, name, [f"{name}.example"])) for name in "ab"])
    before = [certificates.choose(name) for name in (b"a.example", b"b.example")]
    write_pair(tmp_path, "b", ["b.example"])
    certificates.refresh()
    assert certificates.choose(b"a.example") is before[0]
    assert certificates.choose(b"b.example") is not before[1]


def test_a_connection_from_before_goes_on_after_a_change(tmp_path: Path) -> None:
    files = write_pair(tmp_path, "org", ["old.example"])
    certificates = Certificates([PairFiles(*files)])
    client = Client(Server(certificates.context("imap"))).shake_hands()
    replace_pair(files, new_pair(["new.example"]))
    certificates.refresh()
    assert client.say(b"still here") == b"still here"


def test_fault_30_key_first_and_the_certificate_a_second_later(tmp_path: Path, log: list[dict[str, Any]]) -> None:
    certificate, key = write_pair(tmp_path, "org", ["old.example"])
    certificates = Certificates([PairFiles(certificate, key)])
    new_certificate, new_key = new_pair(["new.example"])
    replace(key, new_key)
    for _ in range(3):
        certificates.refresh()
        assert served(certificates) == ["old.example"]
    assert len(errors(log)) == 1
    assert str(key) in errors(log)[0]
    replace(certificate, new_certificate)
    certificates.refresh()
    assert served(certificates) == ["new.example"]


def test_fault_30_a_pair_half_written_never_replaces_a_good_one(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "org", ["old.example"])
    certificates = Certificates([PairFiles(certificate, key)])
    new_certificate, new_key = new_pair(["new.example"])
    replace(key, new_key)
    for octets in range(0, len(new_certificate) - 1, 50):
        certificate.write_bytes(new_certificate[:octets])
        certificates.refresh()
        assert served(certificates) == ["old.example"]
    certificate.write_bytes(new_certificate)
    certificates.refresh()
    assert served(certificates) == ["new.example"]


def dsa_pair(folder: Path) -> None:
    key = dsa.generate_private_key(1024)
    replace(folder / "org.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def locked_key(folder: Path) -> None:
    key = load_pem_private_key((folder / "org.key").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    replace(folder / "org.key", locked)


BREAKS = {
    "certificate gone": lambda folder: (folder / "org.pem").unlink(),
    "key gone": lambda folder: (folder / "org.key").unlink(),
    "certificate empty": lambda folder: replace(folder / "org.pem", b""),
    "key empty": lambda folder: replace(folder / "org.key", b""),
    "no PEM": lambda folder: replace(folder / "org.pem", b"\xff\0" * 1000),
    "key in the certificate's place": lambda folder: replace(folder / "org.pem", (folder / "org.key").read_bytes()),
    "huge": lambda folder: replace(folder / "org.pem", (folder / "org.pem").read_bytes() + b"#" * (1 << 20)),
    "mismatch": lambda folder: replace(folder / "org.key", new_pair(["x.example"])[1]),
    "another kind of key": dsa_pair,
    "locked key": locked_key,
    "expired": lambda folder: write_pair(folder, "org", ["new.example"], NOW - timedelta(days=1)),
    "folder": lambda folder: ((folder / "org.pem").unlink(), (folder / "org.pem").mkdir()),
}


@pytest.mark.parametrize("break_pair", BREAKS.values(), ids=BREAKS)
def test_attack_56_a_broken_pair_is_told_once_and_the_old_one_stays(
    tmp_path: Path, log: list[dict[str, Any]], break_pair: Any
) -> None:
    files = write_pair(tmp_path, "org", ["old.example"])
    certificates = Certificates([PairFiles(*files)])
    break_pair(tmp_path)
    for _ in range(3):
        certificates.refresh()
    assert served(certificates) == ["old.example"]
    (fault,) = errors(log)
    assert str(tmp_path / "org.") in fault


@pytest.mark.parametrize("break_pair", BREAKS.values(), ids=BREAKS)
def test_attack_56_a_broken_pair_is_refused_at_the_start(tmp_path: Path, break_pair: Any) -> None:
    good = PairFiles(*write_pair(tmp_path, "good", ["good.example"]))
    broken = PairFiles(*write_pair(tmp_path, "org", ["old.example"]))
    break_pair(tmp_path)
    with pytest.raises(ConfigurationError) as refusal:
        Certificates([good, broken])
    assert str(tmp_path / "org.") in str(refusal.value)


def test_every_broken_pair_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Certificates([PairFiles(tmp_path / f"{name}.pem", tmp_path / f"{name}.key") for name in "ab"])
    assert [Path(fault.file).name for fault in refusal.value.faults] == ["a.key", "a.pem", "b.key", "b.pem"]


def test_a_key_that_openssl_finds_too_short_is_refused(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, datetime.now(UTC), NOW + WEEK)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    files = (tmp_path / "org.pem", tmp_path / "org.key")
    replace_pair(files, (certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())))
    with pytest.raises(ConfigurationError, match=r"OpenSSL refuses it: .*key too small"):
        Certificates([PairFiles(*files)])


def test_a_broken_pair_in_the_folder_is_left_out_and_told(tmp_path: Path, log: list[dict[str, Any]]) -> None:
    live(tmp_path, "a.example")
    live(tmp_path, "b.example")[1].unlink()
    certificates = Certificates([], tmp_path)
    assert served(certificates, "b.example") == ["a.example"]
    assert len(errors(log)) == 1


def test_the_folder_may_gain_and_lose_names(tmp_path: Path) -> None:
    live(tmp_path, "a.example")
    certificates = Certificates([], tmp_path)
    new = live(tmp_path, "b.example")
    certificates.refresh()
    assert served(certificates, "b.example") == ["b.example"]
    for file in new:
        file.unlink()
    new[0].parent.rmdir()
    certificates.refresh()
    assert served(certificates, "b.example") == ["a.example"]


def test_a_folder_that_cannot_be_read_changes_nothing(tmp_path: Path, log: list[dict[str, Any]]) -> None:
    live(tmp_path / "live", "a.example")
    certificates = Certificates([], tmp_path / "live")
    (tmp_path / "live").rename(tmp_path / "away")
    for _ in range(3):
        certificates.refresh()
    assert served(certificates) == ["a.example"]
    assert len(errors(log)) == 2  # the folder, and the pair that was in it


def test_a_folder_that_goes_and_comes_is_told_each_time(tmp_path: Path, log: list[dict[str, Any]]) -> None:
    live(tmp_path / "live", "a.example")
    certificates = Certificates([], tmp_path / "live")
    for _ in range(2):
        (tmp_path / "live").rename(tmp_path / "away")
        certificates.refresh()
        (tmp_path / "away").rename(tmp_path / "live")
        certificates.refresh()
    assert len(errors(log)) == 4  # the folder, and the pair that was in it


def test_the_last_certificate_is_not_given_up(tmp_path: Path) -> None:
    files = live(tmp_path, "a.example")
    certificates = Certificates([], tmp_path)
    for file in files:
        file.unlink()
    certificates.refresh()
    assert served(certificates) == ["a.example"]


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    """Certbot's `live/` holds links into `archive/`, and renewal turns them."""
    old, new = (write_pair(tmp_path, name, [f"{name}.example"]) for name in ("old", "new"))
    links = (tmp_path / "fullchain.pem", tmp_path / "privkey.pem")
    for link, file in zip(links, old, strict=True):
        link.symlink_to(file)
    certificates = Certificates([PairFiles(*links)])
    for link, file in zip(links, new, strict=True):
        link.unlink()
        link.symlink_to(file)
    certificates.refresh()
    assert served(certificates) == ["new.example"]


def test_a_pair_that_changes_while_it_is_read_waits_for_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_pair(tmp_path, "org", ["old.example"])
    certificates = Certificates([PairFiles(*files)])
    replace_pair(files, new_pair(["torn.example"]))
    inspect = module.inspect_pair

    def torn(certificate: Path, key: Path) -> Any:
        facts = inspect(certificate, key)
        replace_pair(files, new_pair(["new.example"]))
        return facts

    with monkeypatch.context() as patch:
        patch.setattr(module, "inspect_pair", torn)
        certificates.refresh()
    assert served(certificates) == ["old.example"]
    certificates.refresh()
    assert served(certificates, "new.example") == ["new.example"]
    assert certificates.describe()[0].names == ("new.example",)


def test_a_certificate_in_use_that_expires_is_served_on_and_warned_of(tmp_path: Path) -> None:
    times = [NOW]
    certificates = Certificates([PairFiles(*write_pair(tmp_path, "org", ["a.example"]))], now=lambda: times[0])
    assert certificates.describe()[0].warnings == ()
    times[0] = NOW + 2 * WEEK
    certificates.refresh()
    assert served(certificates) == ["a.example"]
    assert certificates.describe()[0].warnings == (f"{tmp_path / 'org.pem'} has expired",)


def test_what_is_in_use_is_described(tmp_path: Path) -> None:
    files = PairFiles(*write_pair(tmp_path, "org", ["Mail.Example.org", "*.example.org"]), names=("example.org",))
    (report,) = Certificates([files]).describe()
    assert report.files == files
    assert report.names == ("example.org", "mail.example.org", "*.example.org")
    assert report.issuer == "for Mail.Example.org"
    assert report.expires == NOW + WEEK
    assert report.warnings == ()


def test_attack_56_a_key_that_everyone_can_read_is_warned_of(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "org", ["a.example"])
    key.chmod(0o644)
    (report,) = Certificates([PairFiles(certificate, key)]).describe()
    assert report.warnings == (f"everyone on this machine can read {key}",)


def test_the_service_looks_at_each_interval_while_it_runs(tmp_path: Path) -> None:
    files = write_pair(tmp_path, "org", ["old.example"])
    certificates = Certificates([PairFiles(*files)])
    clock, looks = Clock(), []

    async def run(work: Any, /, *args: object) -> Any:
        looks.append(work)
        return work(*args)

    service = CertificateReload(clock, certificates, run, 60)
    service.startService()
    replace_pair(files, new_pair(["new.example"]))
    clock.advance(59)
    assert served(certificates) == ["old.example"]
    clock.advance(1)
    assert served(certificates) == ["new.example"]
    service.stopService()
    clock.advance(600)
    assert len(looks) == 1
    assert clock.getDelayedCalls() == []


def test_a_look_that_fails_is_not_the_last(tmp_path: Path, log: list[dict[str, Any]]) -> None:
    certificates = Certificates([PairFiles(*write_pair(tmp_path, "org", ["old.example"]))])
    clock, looks = Clock(), []

    async def run(work: Any, /, *args: object) -> Any:
        looks.append(work)
        raise MemoryError

    service = CertificateReload(clock, certificates, run, 60)
    service.startService()
    clock.pump([60, 60])
    assert len(looks) == 2
    assert sum(event["log_level"] == LogLevel.critical for event in log) == 2
    service.stopService()


def test_a_look_that_takes_long_is_not_doubled(tmp_path: Path) -> None:
    certificates = Certificates([PairFiles(*write_pair(tmp_path, "org", ["old.example"]))])
    clock, looks = Clock(), []
    waiting: Deferred[None] = Deferred()

    async def run(work: Any, /, *args: object) -> Any:
        looks.append(work)
        await waiting

    service = CertificateReload(clock, certificates, run, 60)
    service.startService()
    clock.pump([60] * 5)
    assert len(looks) == 1
    service.stopService()
