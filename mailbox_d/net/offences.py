"""What a client has done wrong, counted for as long as its connection lasts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Offences:
    """The counts by which a connection is ended. They belong to the connection: no session begun anew forgets them."""

    bad_commands: int = 0
    """Before login in all, afterwards in a row."""
    commands_before_login: int = 0
    """Good ones too."""
    login_failures: int = 0
