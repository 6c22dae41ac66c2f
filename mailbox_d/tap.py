"""What twistd needs: the options of `twistd mailboxd`, and the service that they make."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from mailbox_d import __version__
from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.load import Loaded, load

DEFAULT_CONFIGURATION = "/etc/mailboxd/mailboxd.yaml"


class Options(usage.Options):
    """The command line of `twistd mailboxd`."""

    synopsis = "[--config FILE] [--check [--json]]"
    longdesc = (
        "A mail server in one process: SMTP, submission, LMTP and IMAP over Maildirs. "
        "Everything else is in the configuration file."
    )
    optParameters = [["config", "c", DEFAULT_CONFIGURATION, "The configuration file."]]
    optFlags = [
        ["check", None, "Say what the configuration holds, or all that is wrong with it, and end."],
        ["json", None, "With --check: say it in JSON."],
    ]

    def opt_version(self) -> None:
        """Print mailboxd's version, and end."""
        print(f"mailboxd {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        path = Path(self["config"])
        if self["json"] and not self["check"]:
            raise usage.UsageError("--json goes with --check")
        if self["check"]:
            from mailbox_d.ctl.check import check

            raise SystemExit(check(path, as_json=bool(self["json"])))
        self.loaded = _load_or_exit(path)


def makeService(options: Options) -> IService:
    """Build the daemon. A configuration that cannot be served ends the start, with all that is wrong with it."""
    from mailbox_d.app import build
    from mailbox_d.site import NotServed

    loaded: Loaded = options.loaded
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    try:
        daemon: Any = build(loaded.configuration)
    except (ConfigurationError, NotServed) as error:
        raise SystemExit(str(error)) from error
    return daemon  # type: ignore[no-any-return]


def _load_or_exit(path: Path) -> Loaded:
    try:
        return load(path)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from error
