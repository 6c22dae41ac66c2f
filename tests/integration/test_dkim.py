"""Signatures, judged by OpenDKIM."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.programs import require, run
from tests.unit.relay.dkim_domain import make_domain, published
from tests.unit.relay.signing.test_dkim import BODY, HEADER, signed

pytestmark = pytest.mark.integration

CONFIGURATION = """\
Mode v
Socket local:{folder}/socket
TestPublicKeys {folder}/records
Syslog no
On-BadSignature accept
"""


def results(folder: Path, message: bytes, keys: Path) -> list[str]:
    """What OpenDKIM writes into Authentication-Results of each signature, by the keys in a folder."""
    (folder / "opendkim.conf").write_text(CONFIGURATION.format(folder=folder))
    records = published(keys)
    (folder / "records").write_text("".join(f"{name} {record}\n" for name, record in records.items()))
    (folder / "message.eml").write_bytes(message)
    command = [require("opendkim"), "-x", folder / "opendkim.conf", "-t", folder / "message.eml", "-vvv"]
    said = run(command, status=None).stdout.decode()
    return [word for word in said.split() if word.startswith("dkim=")]


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (HEADER, BODY),
        (HEADER, b""),
        (HEADER, b"\r\n\r\n"),
        (HEADER, b"no line end"),
        (HEADER, b"blanks \t \r\n \r\n\r\n\r\n"),
        (HEADER, b"x" * 100_000 + b"\r\n" * 1000),
        (HEADER + "Subject: à\r\n\t folded \r\n\t twice\r\n".encode(), "é\r\n".encode()),
        (HEADER + b"List-Id: <x.example.org>\r\nCC:\r\n \t\r\nReferences: <1@x>\r\n\t<2@x>\r\n", BODY),
    ],
)
def test_opendkim_finds_both_signatures_right(tmp_path: Path, header: bytes, body: bytes) -> None:
    make_domain(tmp_path / "keys")
    message = signed(tmp_path / "keys", header, body)
    assert results(tmp_path, message, tmp_path / "keys") == ["dkim=pass", "dkim=pass"]


@pytest.mark.parametrize(
    "added", [b"From: mallory@example.com\r\n", b"Subject: another\r\n", b"Content-Type: text/html\r\n"]
)
def test_attack_112_opendkim_finds_a_field_that_was_added(tmp_path: Path, added: bytes) -> None:
    make_domain(tmp_path / "keys")
    assert "dkim=pass" not in results(tmp_path, added + signed(tmp_path / "keys"), tmp_path / "keys")
