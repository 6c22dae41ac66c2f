"""`mailboxctl dkim`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest

from mailbox_d.config.load import load
from mailbox_d.ctl.arguments import parse
from mailbox_d.ctl.check import summarise
from mailbox_d.ctl.mailboxctl import main
from mailbox_d.ctl.parsing import OwnCommand
from mailbox_d.ctl.self_signed import make_certificate, write_private
from mailbox_d.relay.signing.dkim_keys import KeyFolder, selectors
from mailbox_d.store.files import FileSystem
from tests.unit.ctl.site_files import make_site


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path)


def dkim(site: Path, *words: str) -> int:
    return main(["dkim", *words, "--config", str(site)])


def keys(site: Path) -> Path:
    return site.parent / "state" / "dkim"


def test_keys_are_made_and_sign_only_once_they_are_in_use(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dkim(site, "keygen", "Example.ORG", "--selector", "s1") == 0
    out, err = capsys.readouterr()
    rsa, ed25519 = out.splitlines()
    assert rsa.startswith('s1._domainkey.example.org.\t3600\tIN\tTXT\t"v=DKIM1; k=rsa; p=') and '" "' in rsa
    assert ed25519.startswith('s1-ed25519._domainkey.example.org.\t3600\tIN\tTXT\t"v=DKIM1; k=ed25519; p=')
    assert "mailboxctl dkim use example.org s1" in err
    folder = KeyFolder(keys(site))
    assert folder.of_domain("example.org") == ()
    assert dkim(site, "use", "example.org", "s1") == 0
    assert [key.selector for key in folder.of_domain("example.org")] == ["s1", "s1-ed25519"]


def test_keys_are_for_their_owner_alone(site: Path) -> None:
    assert dkim(site, "keygen", "example.org", "--activate") == 0
    (selector,) = selectors(keys(site))
    assert selector.in_use and selector.warnings == ()
    for path in (keys(site) / "example.org").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((keys(site) / "example.org").stat().st_mode) == 0o700
    assert selector.name == time.strftime("%Y%m%d", time.gmtime())


def test_no_key_is_overwritten(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dkim(site, "keygen", "example.org", "--selector", "s1", "--activate")
    before = selectors(keys(site))[0].keys[0].record
    assert dkim(site, "keygen", "example.org", "--selector", "s1") == 2
    assert "another --selector" in capsys.readouterr().err
    (keys(site) / "example.org" / "s1.rsa.pem").unlink()
    assert dkim(site, "keygen", "example.org", "--selector", "s1") == 2
    dkim(site, "keygen", "example.org", "--selector", "s2")
    found = {selector.name: selector.in_use for selector in selectors(keys(site))}
    assert found == {"s1": True, "s2": False}
    assert before not in (key.record for selector in selectors(keys(site)) for key in selector.keys)


def test_what_is_written_is_durable_before_it_is_said(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("fsync", "rename", "fsync_directory"):
        original = getattr(FileSystem, name)

        def told(self: FileSystem, *words: object, name: str = name, original: object = original) -> None:
            calls.append(name)
            original(self, *words)  # type: ignore[operator]

        monkeypatch.setattr(FileSystem, name, told)
    dkim(site, "keygen", "example.org", "--activate")
    assert calls[-6:] == ["fsync", "fsync", "fsync_directory", "fsync", "rename", "fsync_directory"]


def test_keys_are_listed_with_what_is_wrong(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dkim(site, "list") == 0
    assert "There are no keys" in capsys.readouterr().err
    dkim(site, "keygen", "example.org", "--selector", "s1", "--activate")
    capsys.readouterr()
    assert dkim(site, "list") == 0
    assert capsys.readouterr().out == "example.org s1: RSA 2048, Ed25519; signs\n"
    (keys(site) / "example.org" / "s1.rsa.pem").chmod(0o644)
    assert dkim(site, "list", "example.org") == 1
    assert "chmod 600" in capsys.readouterr().err
    assert dkim(site, "list", "example.net", "--json") == 0
    assert capsys.readouterr().out == ""


def test_checking_a_configuration_says_what_is_wrong_with_keys(tmp_path: Path) -> None:
    make_certificate(tmp_path, ("mail.example.org",))
    site = make_site(tmp_path, certificate="mail.example.org")
    write_private(tmp_path / "users.yaml", b"users: {}\n")
    dkim(site, "keygen", "example.org", "--selector", "s1")
    assert summarise(load(site)).warnings == ()
    path = keys(site) / "example.org" / "s1.rsa.pem"
    path.chmod(0o644)
    assert summarise(load(site)).warnings == (f"{path} can be read by others than its owner: chmod 600",)


def test_json_has_the_records(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dkim(site, "keygen", "example.org", "--selector", "s1", "--json")
    made = json.loads(capsys.readouterr().out)
    assert (made["domain"], made["selector"], made["in_use"]) == ("example.org", "s1", False)
    names = [record["name"] for record in made["records"]]
    assert names == ["s1._domainkey.example.org", "s1-ed25519._domainkey.example.org"]


def test_a_zone_file_has_nothing_but_records_and_comments(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dkim(site, "keygen", "example.org", "--selector", "s1", "--zone")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in lines] == ["; k", "s1.", "s1-"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("use", "example.org", "s9"), "has no key of the selector s9"),
        (("keygen", "../etc"), "not a domain name"),
        (("keygen", "192.0.2.1"), "is an address"),
    ],
)
def test_what_cannot_be_done_is_refused(
    site: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dkim(site, *words) == 2
    assert said in capsys.readouterr().err
    assert not (site.parent / "etc").exists()


@pytest.mark.parametrize("words", [(), ("keygen",), ("use", "x"), ("keygen", "example.org", "--selector", "../x")])
def test_a_command_that_cannot_be_understood(site: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        dkim(site, *words)
    assert ended.value.code == 2


def test_nothing_is_made_before_the_daemon_was_there(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site.parent / "state").rmdir()
    assert dkim(site, "keygen", "example.org") == 3
    assert "start the daemon once" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("dkim", "keygen"), ("dkim", "list"), ("dkim", "use"), ("dns",)])
def test_help_has_examples_that_can_be_typed(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([*words, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and "exit status:" in text
    examples = [line.split()[1:] for line in text.splitlines() if line.startswith("  mailboxctl ")]
    assert examples and all(isinstance(parse(typed), OwnCommand) for typed in examples)
    assert f"mailboxctl {' '.join(words)}" in (Path(__file__).parents[3] / "docs/mailboxctl.md").read_text("utf-8")
