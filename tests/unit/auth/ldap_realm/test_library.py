"""The library comes without words of its own."""

from __future__ import annotations

import subprocess
import sys


def test_it_is_imported_without_a_warning() -> None:
    command = [sys.executable, "-W", "error", "-c", "import mailbox_d.auth.ldap_realm.connection"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
