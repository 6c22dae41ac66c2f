"""Root gives its rights up before it works on mail: files that it makes there must belong to the store's user."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def become_owner(*folders: Path) -> None:
    """Where we are root and one of the folders is somebody else's, become that user, for good. Raises `OSError`."""
    os.umask(0o077)
    owners = [folder.stat() for folder in folders if folder.exists()]
    owner = next((status for status in owners if status.st_uid != 0), None)
    if os.geteuid() != 0 or owner is None:
        return
    try:
        user = pwd.getpwuid(owner.st_uid)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
    except KeyError:
        os.setgroups([])
        os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
