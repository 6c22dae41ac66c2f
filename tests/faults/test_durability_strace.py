"""The page cache survives a kill, so here the kernel is the witness: the file's fsync, its name, then the directory's
fsync, all ended before the 250 began to leave; and the same for every folder that had to be made on the way.
"""

from __future__ import annotations

import smtplib
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.deliveries import Numbered, identity_of
from tests.faults.trace import PREFIX, Call, read_trace
from tests.integration.daemon import running
from tests.integration.programs import require
from tests.integration.site import ALICE, BOB, HOST, UNLIMITED_HOST, Site, make_site

pytestmark = pytest.mark.faults

SYNCS = ("fsync", "fdatasync")
NAMINGS = ("rename", "renameat", "renameat2", "link", "linkat")
MAKINGS = ("mkdir", "mkdirat")
SENDS = ("sendto", "sendmsg", "write", "writev")


def deliver(site: Site, message: Numbered) -> int:
    """Deliver over a connection of its own; returns the client's port, by which the trace knows it."""
    source = (UNLIMITED_HOST, 0)
    with smtplib.SMTP(HOST, site.ports["smtp"], timeout=120, source_address=source) as client:
        assert client.sock is not None
        port: int = client.sock.getsockname()[1]
        client.sendmail("sender@example.com", message.recipients, message.octets)
        return port


def moment_of_250(calls: Iterable[Call], port: int) -> int:
    """When the reply to the end of the message, the first after 354, began to leave."""
    replies = [call for call in calls if call.name in SENDS and call.peer_port == port]
    start = next(index for index, call in enumerate(replies) if '"354' in call.arguments)
    answer = replies[start + 1]
    assert '"250' in answer.arguments, answer
    return answer.begun


def sync_within(calls: Iterable[Call], path: str, after: int, before: int) -> Call | None:
    """A sync of the path that began after the one moment and ended before the other."""
    synced = (call for call in calls if call.name in SYNCS and call.descriptor == path)
    return next((call for call in synced if call.begun > after and call.ended < before), None)


def naming_of(calls: Iterable[Call], path: Path) -> Call:
    """The call that gave the file its final name."""
    (naming,) = [call for call in calls if call.name in NAMINGS and call.paths[-1] == str(path)]
    return naming


def unsafe_at(calls: list[Call], path: Path, moment: int) -> list[str]:
    """What of a delivered file was not yet on the disk at that moment."""
    naming = naming_of(calls, path)
    missing = []
    if naming.ended > moment:
        missing.append(f"{path} has its name too late")
    if not synced_octets(calls, naming, moment):
        missing.append(f"{path} is not synced before its name")
    if not sync_within(calls, str(path.parent), naming.ended, moment):
        missing.append(f"{path.parent} is not synced after the file has its name")
    return missing + unsafe_folders(calls, path, moment)


def synced_octets(calls: list[Call], naming: Call, moment: int) -> bool:
    """Whether the file's octets were synced under its first name, or under the name that a link was made from."""
    source = naming.paths[0]
    if sync_within(calls, source, -1, min(naming.begun, moment)):
        return True
    earlier = [call for call in calls if call.name in NAMINGS and call.paths[-1] == source and call is not naming]
    return any(synced_octets(calls, call, moment) for call in earlier)


def unsafe_folders(calls: list[Call], path: Path, moment: int) -> list[str]:
    """Folders above the file that were made, and whose own entry was not yet on the disk at that moment."""
    made = {call.paths[-1]: call for call in calls if call.name in MAKINGS and call.ended < moment}
    above = [str(folder) for folder in path.parents if str(folder) in made]
    return [
        f"the entry of {folder} is not synced"
        for folder in above
        if not sync_within(calls, str(Path(folder).parent), made[folder].ended, moment)
    ]


def may_trace() -> bool:
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def test_file_and_directory_are_synced_before_each_250(tmp_path: Path) -> None:
    require("strace")
    if not may_trace():
        pytest.skip("this machine does not let strace trace")
    site, trace = make_site(tmp_path / "site"), tmp_path / "trace"
    first = Numbered("first")
    with running(site, prefix=(*PREFIX, str(trace))):
        ports = {first.identity: deliver(site, first)}
        together = [Numbered(f"together.{number}") for number in range(40)]
        with ThreadPoolExecutor(20) as pool:
            found = pool.map(lambda message: deliver(site, message), together)
            ports |= dict(zip((message.identity for message in together), found, strict=True))
    calls = read_trace(trace)
    files = {(user, identity_of(path.read_bytes())): path for user in (ALICE, BOB) for path in site.message_files(user)}
    assert set(files) == {(user, identity) for identity in ports for user in Numbered(identity).users}
    moments = {identity: moment_of_250(calls, port) for identity, port in ports.items()}
    assert [fault for (_, identity), path in files.items() for fault in unsafe_at(calls, path, moments[identity])] == []


TRACE = r"""
7  mkdir("/m/new", 0700) = 0
7  fsync(3</m>) = 0
8  fsync(5</m/tmp/a> <unfinished ...>
7  sendto(9<TCP:[127.0.0.1:25->127.0.0.2:4000]>, "354 Go on\r\n", 11, 0, NULL, 0) = 11
8  <... fsync resumed>) = 0
8  rename("/m/tmp/a", "/m/new/a") = 0
8  fsync(6</m/new>) = 0
7  sendto(9<TCP:[127.0.0.1:25->127.0.0.2:4000]>, "250 2.0.0 Kept\r\n", 16, 0, NULL, 0) = 16
"""


def faults_of(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "trace").write_text(text)
    calls = read_trace(tmp_path / "trace")
    return unsafe_at(calls, Path("/m/new/a"), moment_of_250(calls, 4000))


def test_proof_accepts_the_right_order(tmp_path: Path) -> None:
    assert faults_of(tmp_path, TRACE) == []


@pytest.mark.parametrize(
    ("removed", "fault"),
    [
        ("8  fsync(6</m/new>) = 0\n", "/m/new is not synced after the file has its name"),
        ("7  fsync(3</m>) = 0\n", "the entry of /m/new is not synced"),
        ("8  <... fsync resumed>) = 0\n", "/m/new/a is not synced before its name"),
    ],
)
def test_proof_finds_a_missing_sync(tmp_path: Path, removed: str, fault: str) -> None:
    assert removed in TRACE
    assert faults_of(tmp_path, TRACE.replace(removed, "")) == [fault]


def test_proof_finds_a_sync_that_comes_after_the_250(tmp_path: Path) -> None:
    late = "8  fsync(6</m/new>) = 0\n"
    assert faults_of(tmp_path, TRACE.replace(late, "") + late) == ["/m/new is not synced after the file has its name"]


def test_proof_finds_a_failed_sync(tmp_path: Path) -> None:
    failed = TRACE.replace("8  fsync(6</m/new>) = 0", "8  fsync(6</m/new>) = -1 EIO (Input/output error)")
    assert faults_of(tmp_path, failed) == ["/m/new is not synced after the file has its name"]
