"""When users last logged in, and by which password, as the daemon keeps it in the state folder."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from mailbox_d.auth.last_use import LAST_USE, LastUse, use_of
from mailbox_d.auth.users_file import Login
from mailbox_d.config.model import Configuration
from mailbox_d.net.kept_state import FILE_MAX
from mailbox_d.store.files import FileSystem, read_whole


class LastUses:
    """What the file says. Where it is not there or cannot be read, nothing is known, as after a loss of it."""

    def __init__(self, configuration: Configuration) -> None:
        path = os.fsencode(configuration.storage.state / LAST_USE)
        try:
            text = (read_whole(FileSystem(), path, FILE_MAX) or b"").decode("utf-8", "replace")
        except OSError:
            text = ""
        self._times: dict[str, dict[str, float]] = {}
        for user, by, when in filter(None, map(LastUse.row, text.split("\n"))):
            self._times.setdefault(user, {})[by] = when

    def of(self, login: Login) -> Mapping[str, float]:
        """Seconds since 1970 by the names of a user's app passwords; "" is their own."""
        times = self._times.get(login.user.address.folded, {})
        known_by = [(one.name, use_of(one.name, one.password)) for one in login.app_passwords]
        known_by += [("", ""), ("", use_of("", login.password))]
        found = sorted((times[use], name) for name, use in known_by if use in times)
        return {name: when for when, name in found}


def when(seconds: float) -> str:
    """A time as people read it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
