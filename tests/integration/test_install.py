"""`pip install .` into an environment of its own gives a `twistd mailboxd` that works from any folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import mailbox_d
from tests.integration.programs import run

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("mailbox_d", "twisted", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
TWISTD = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment that sees this one's libraries, and the project only by what was installed."""
    folder = tmp_path_factory.mktemp("install")
    source, environment = folder / "source", folder / "environment"
    source.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, source / part)
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin/python"
    libraries = python_path(python) / "libraries.pth"
    libraries.write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    run([*pip, "--no-build-isolation", "--force-reinstall", source])
    return python


def python_path(python: Path) -> Path:
    said = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).stdout
    return Path(said.decode().strip())


def twistd(python: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-c", TWISTD, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_installed_package_is_the_one_that_runs(installed: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [
            installed,
            "-c",
            "import mailbox_d, twisted.plugins.mailboxd_plugin as p; print(mailbox_d.__file__, p.__file__)",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    environment = installed.parent.parent
    assert all(Path(path).is_relative_to(environment) for path in where), where


def test_twistd_knows_mailboxd_from_any_folder(installed: Path, tmp_path: Path) -> None:
    assert twistd(installed, tmp_path, "mailboxd", "--version") == f"mailboxd {mailbox_d.__version__}\n"
    assert "mailboxd" in twistd(installed, tmp_path, "--help")


def test_types_are_installed(installed: Path) -> None:
    assert (python_path(installed) / "mailbox_d/py.typed").exists()


def test_mailboxctl_is_installed(installed: Path, tmp_path: Path) -> None:
    command = [installed.with_name("mailboxctl"), "--version"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said == f"mailboxctl {mailbox_d.__version__}\n"
