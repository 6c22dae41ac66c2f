"""Files that a configuration names, and certificates among them."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailbox_d.config.certificates import LARGEST_PEM, PairRefused, certbot_pairs, inspect_pair, read_revocations
from mailbox_d.config.faults import Refusal
from mailbox_d.config.files import read_regular_file, readable_by_everyone
from mailbox_d.ctl.self_signed import make_certificate
from tests.integration.authority import Authority


def refusals(certificate: Path, key: Path) -> dict[str, str]:
    with pytest.raises(PairRefused) as caught:
        inspect_pair(certificate, key)
    return {part: refusal.problem for part, refusal in caught.value.refusals.items()}


def test_a_file_is_read_up_to_one_octet_more_than_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert read_regular_file(tmp_path / "file", 10) == b"x" * 11
    assert read_regular_file(tmp_path / "file", 100) == b"x" * 100


@pytest.mark.parametrize("path", ["none", "folder", "fifo", "loop", "a\0b", "x" * 300, "file/below"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Refusal, match="expected a readable file"):
        read_regular_file(tmp_path / path, 10)


def test_a_device_is_refused() -> None:
    with pytest.raises(Refusal, match="this is not a regular file"):
        read_regular_file(Path("/dev/zero"), 10)


@pytest.mark.parametrize(("mode", "open_to_all"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_who_can_read_a_file(tmp_path: Path, mode: int, open_to_all: bool) -> None:
    (tmp_path / "key").touch()
    (tmp_path / "key").chmod(mode)
    assert readable_by_everyone(tmp_path / "key") is open_to_all
    assert readable_by_everyone(tmp_path / "none") is False


def test_attack_056_a_pair_that_does_not_belong_together(tmp_path: Path) -> None:
    one = make_certificate(tmp_path, ("one.example",))
    other = make_certificate(tmp_path, ("other.example",))
    assert refusals(one.certificate, other.key) == {"key": "the key does not match the certificate"}
    assert inspect_pair(one.certificate, one.key).names == ("one.example",)


def test_attack_056_a_key_of_another_kind(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, ("one.example",))
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ed25519.key").write_bytes(key)
    assert refusals(pair.certificate, tmp_path / "ed25519.key") == {"key": "the key does not match the certificate"}


def test_attack_056_both_parts_of_a_pair_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert refusals(tmp_path / "empty", tmp_path / "none") == {
        "certificate": "the file holds no certificate",
        "key": "the file cannot be read: No such file or directory",
    }


def test_attack_056_half_written_files_are_refused(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, ("one.example",))
    for source, part, problem in (
        (pair.certificate, "certificate", "the file holds no certificate"),
        (pair.key, "key", "the file holds no private key"),
    ):
        whole = source.read_bytes()
        for length in range(0, len(whole) - 30, 7):
            (tmp_path / "half").write_bytes(whole[:length])
            paths = {"certificate": pair.certificate, "key": pair.key, part: tmp_path / "half"}
            assert refusals(**paths) == {part: problem}


def test_attack_056_a_half_written_chain_is_refused(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, ("one.example",))
    chain = pair.certificate.read_bytes() + make_certificate(tmp_path, ("issuer.example",)).certificate.read_bytes()
    (tmp_path / "chain").write_bytes(chain)
    assert inspect_pair(tmp_path / "chain", pair.key).names == ("one.example",)
    (tmp_path / "chain").write_bytes(chain[:-60])
    assert refusals(tmp_path / "chain", pair.key)["certificate"] in {
        "the chain is not whole",
        "the file holds no certificate",
    }


def test_a_file_too_big_for_a_certificate_is_not_parsed(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, ("one.example",))
    (tmp_path / "big").write_bytes(b"\n" * LARGEST_PEM + pair.certificate.read_bytes())
    assert refusals(tmp_path / "big", pair.key) == {"certificate": f"the file is bigger than {LARGEST_PEM} octets"}


def test_certbots_layout_is_read_by_name(tmp_path: Path) -> None:
    for name in ("b.example", "a.example", "c.example"):
        (tmp_path / name).mkdir()
    (tmp_path / "a.example/fullchain.pem").touch()
    (tmp_path / "b.example/privkey.pem").touch()
    (tmp_path / "README").touch()
    assert [certificate.parent.name for certificate, _ in certbot_pairs(tmp_path)] == ["a.example", "b.example"]


def test_a_list_of_what_is_revoked_by_one_whose_name_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "crl").write_bytes(Authority("Users' authority").revoke())
    (found,) = read_revocations(tmp_path / "crl")
    broken = found.public_bytes(Encoding.DER).replace(b"Users", b"\xffsers")
    (tmp_path / "crl").write_text(ssl.DER_cert_to_PEM_cert(broken).replace("CERTIFICATE", "X509 CRL"))
    with pytest.raises(Refusal, match="the file holds no list of revoked certificates"):
        read_revocations(tmp_path / "crl")
