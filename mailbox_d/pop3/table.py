"""The commands, as data: what runs, and where it may stand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mailbox_d.pop3 import authentication, informational, listing, retrieval, update
from mailbox_d.pop3.session import State
from mailbox_d.wire.pop3 import commands


@dataclass(frozen=True, slots=True)
class Verb:
    """One command of the table; `run` returns what is still to be sent of its answer."""

    run: Callable[..., Awaitable[bytes]]
    states: State = State.TRANSACTION


VERBS: Final[Mapping[type, Verb]] = {
    commands.Capa: Verb(informational.capa, State.ANY),
    commands.Stls: Verb(authentication.stls, State.AUTHORIZATION),
    commands.Utf8: Verb(informational.utf8, State.AUTHORIZATION),
    commands.User: Verb(authentication.user, State.AUTHORIZATION),
    commands.Pass: Verb(authentication.pass_, State.AUTHORIZATION),
    commands.Auth: Verb(authentication.auth, State.AUTHORIZATION),
    commands.Stat: Verb(listing.stat),
    commands.List: Verb(listing.list_),
    commands.Uidl: Verb(listing.uidl),
    commands.Retr: Verb(retrieval.retr),
    commands.Top: Verb(retrieval.top),
    commands.Dele: Verb(update.dele),
    commands.Rset: Verb(update.rset),
    commands.Noop: Verb(informational.noop),
    commands.Quit: Verb(update.quit_, State.ANY),
}


def out_of_place(verb: Verb, state: State) -> str | None:
    """What to tell a client whose command may not stand in this state; None where it may."""
    if state in verb.states:
        return None
    return "Log in first" if state is State.AUTHORIZATION else "You are logged in already"
