"""The folder of keys: what is in use, what changes, what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from mailbox_d.relay.signing import dkim_keys
from mailbox_d.relay.signing.dkim_keys import KeyFolder, KeyRefused, read_key, read_selector, selector_in_use, selectors
from tests.unit.relay.dkim_domain import ed25519_key, make_domain, rsa_key, write_key


def names(folder: KeyFolder, domain: str = "example.org") -> list[str]:
    return [key.name for key in folder.of_domain(domain)]


def test_nothing_is_signed_before_a_selector_is_in_use(tmp_path: Path) -> None:
    make_domain(tmp_path, use=False)
    folder = KeyFolder(tmp_path)
    assert names(folder) == []
    (tmp_path / "example.org" / "selector").write_text("s1\n")
    assert names(folder) == ["s1._domainkey.example.org", "s1-ed25519._domainkey.example.org"]


def test_another_selector_is_used_from_the_next_message_on(tmp_path: Path) -> None:
    make_domain(tmp_path)
    folder = KeyFolder(tmp_path)
    assert names(folder)[0] == "s1._domainkey.example.org"
    make_domain(tmp_path, selector="s2")
    assert names(folder)[0] == "s2._domainkey.example.org"
    (tmp_path / "example.org" / "s2.rsa.pem").unlink()
    assert names(folder) == ["s2-ed25519._domainkey.example.org"]


def test_keys_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_domain(tmp_path)
    reads: list[Path] = []
    read = dkim_keys.read_key
    monkeypatch.setattr(dkim_keys, "read_key", lambda path: reads.append(path) or read(path))
    folder = KeyFolder(tmp_path)
    assert names(folder) == names(folder)
    assert len(reads) == 2


@pytest.mark.parametrize("domain", ["", "..", ".", "a/b", "../example.org", "EXAMPLE.org", "[192.0.2.1]", "x" * 300])
def test_attack_122_a_domain_is_no_path(tmp_path: Path, domain: str) -> None:
    make_domain(tmp_path)
    assert KeyFolder(tmp_path / "example.org").of_domain(domain) == ()


def test_what_is_wrong_is_said_and_the_other_key_signs(tmp_path: Path) -> None:
    make_domain(tmp_path)
    path = tmp_path / "example.org" / "s1.rsa.pem"
    path.write_text("no key")
    assert names(KeyFolder(tmp_path)) == ["s1-ed25519._domainkey.example.org"]
    assert read_selector(path.parent, "s1").warnings == (f"{path} holds no private key in PEM without a password",)


def test_a_key_that_could_not_be_read_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_domain(tmp_path)
    folder = KeyFolder(tmp_path)
    read = dkim_keys.read_key
    failures = iter([KeyRefused("too many open files")])

    def failing(path: Path) -> object:
        for failure in failures:
            raise failure
        return read(path)

    monkeypatch.setattr(dkim_keys, "read_key", failing)
    assert len(names(folder)) == 1
    assert len(names(folder)) == 2


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read_signs_with_a_warning(tmp_path: Path, mode: int) -> None:
    make_domain(tmp_path)
    path = tmp_path / "example.org" / "s1.ed25519.pem"
    path.chmod(mode)
    assert len(names(KeyFolder(tmp_path))) == 2
    (selector,) = selectors(tmp_path)
    assert selector.warnings == (f"{path} can be read by others than its owner: chmod 600",)


def test_files_that_are_no_such_keys_are_refused(tmp_path: Path) -> None:
    write_key(tmp_path / "a.ed25519.pem", rsa_key())
    write_key(tmp_path / "b.rsa.pem", ed25519_key())
    write_key(tmp_path / "c.rsa.pem", ec.generate_private_key(ec.SECP256R1()))
    locked = ed25519_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    (tmp_path / "d.ed25519.pem").write_bytes(locked)
    (tmp_path / "e.rsa.pem").mkdir()
    os.mkfifo(tmp_path / "f.rsa.pem")
    for path in tmp_path.iterdir():
        with pytest.raises(KeyRefused):
            read_key(path)


@pytest.mark.parametrize(
    "text", ["", "../s1", "a b", "S1", "x" * 300, "s1\ns2", "a..b", ".a", "a.", "-a", "x" * 55, "a/b"]
)
def test_a_selector_file_that_names_none(tmp_path: Path, text: str) -> None:
    make_domain(tmp_path)
    (tmp_path / "example.org" / "selector").write_text(text)
    with pytest.raises(KeyRefused):
        selector_in_use(tmp_path / "example.org")
    assert KeyFolder(tmp_path).of_domain("example.org") == ()
    assert [selector.in_use for selector in selectors(tmp_path)] == [False]


@pytest.mark.parametrize("name", ["s", "mail", "2026.a", "a_b-c", "x" * 54])
def test_selectors_as_other_programs_name_them(tmp_path: Path, name: str) -> None:
    make_domain(tmp_path, selector=name)
    assert names(KeyFolder(tmp_path))[0] == f"{name}._domainkey.example.org"
    assert [selector.name for selector in selectors(tmp_path)] == [name]


def test_all_selectors(tmp_path: Path) -> None:
    assert selectors(tmp_path / "absent") == ()
    make_domain(tmp_path)
    make_domain(tmp_path, selector="s2", use=False)
    make_domain(tmp_path, "example.net", use=False)
    (tmp_path / "notes.txt").write_text("")
    found = [(selector.domain, selector.name, selector.in_use) for selector in selectors(tmp_path)]
    assert found == [("example.net", "s1", False), ("example.org", "s1", True), ("example.org", "s2", False)]


def test_the_records(tmp_path: Path) -> None:
    make_domain(tmp_path)
    (selector,) = selectors(tmp_path)
    rsa, ed25519 = (key.record for key in selector.keys)
    assert rsa.startswith("v=DKIM1; k=rsa; p=MIIB") and len(rsa) > 255
    assert ed25519.startswith("v=DKIM1; k=ed25519; p=") and len(ed25519) < 80
