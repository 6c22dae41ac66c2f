"""Each folder here is a configuration that must be refused, and the exact words of the refusal.

A folder has `mailboxd.yaml`, `.readme` (what the case is about) and `expected` (all faults as they are printed). The
files around it (certificates, users) are made by the test where the folder does not bring its own.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.load import load

HERE = Path(__file__).parent
CASES = sorted(path.name for path in HERE.iterdir() if (path / "mailboxd.yaml").exists())


def make_pair(folder: Path, name: str, expires: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(expires - timedelta(days=365)).not_valid_after(expires)
    (folder / f"{name}.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (folder / "locked.key").write_bytes(locked)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    soon = datetime.now(UTC) + timedelta(days=90)
    make_pair(folder, "expired", datetime(2020, 1, 1, tzinfo=UTC))
    make_pair(folder, "mail.example.net", soon)
    make_pair(folder, "mail.example.org", soon)
    return folder


@pytest.fixture
def site(tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, the current one, with all that a good configuration names."""
    shutil.copytree(certificates, tmp_path / "tls")
    (tmp_path / "users.yaml").write_text("users: {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", CASES)
def test_the_refusal_is_as_expected(case: str, site: Path) -> None:
    shutil.copytree(HERE / case, site, dirs_exist_ok=True)
    with pytest.raises(ConfigurationError) as caught:
        load(Path("mailboxd.yaml"))
    assert str(caught.value) + "\n" == (HERE / case / "expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_each_case_says_what_it_is_about(case: str) -> None:
    assert len((HERE / case / ".readme").read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize("case", CASES)
def test_each_fault_has_a_place(case: str) -> None:
    for line in (HERE / case / "expected").read_text(encoding="utf-8").splitlines():
        file, row, column, rest = line.split(":", 3)
        assert file == "mailboxd.yaml"
        assert int(row) >= 1
        assert int(column) >= 1
        assert rest.startswith(" ")
