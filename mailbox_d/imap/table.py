"""The commands, as data: what runs, where it may stand, and what may be told when it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mailbox_d.imap import (
    append,
    authentication,
    copy,
    idle,
    informational,
    listing,
    mailboxes,
    quota,
    selection,
    status,
    store_flags,
)
from mailbox_d.imap.fetch import command as fetch
from mailbox_d.imap.search import command as search
from mailbox_d.imap.search.program import asks_for
from mailbox_d.imap.session import State
from mailbox_d.wire.imap import commands
from mailbox_d.wire.imap.responses import Completion
from mailbox_d.wire.imap.search import Numbers


@dataclass(frozen=True, slots=True)
class Verb:
    """One command of the table."""

    run: Callable[..., Awaitable[Completion | None]]
    states: State = State.LOGGED_IN
    keeps_numbers: Callable[[Any], bool] = lambda command: False
    """Whether sequence numbers must stand while it runs: then no EXPUNGE may be told (RFC 3501 section 7.4.1)."""
    ends_session: bool = False


def _by_number(command: commands.Fetch | commands.Store) -> bool:
    return not command.by_uid


def _searches_by_number(command: commands.Search) -> bool:
    """Also where UIDs are told (RFC 7162 section 3.2.10.2)."""
    return not command.by_uid or asks_for(command.key, Numbers)


VERBS: Final[Mapping[type, Verb]] = {
    commands.Capability: Verb(informational.capability, State.ANY),
    commands.Noop: Verb(informational.noop, State.ANY),
    commands.Id: Verb(informational.id_, State.ANY),
    commands.Logout: Verb(informational.logout, State.ANY, ends_session=True),
    commands.StartTls: Verb(authentication.starttls, State.NOT_AUTHENTICATED),
    commands.Authenticate: Verb(authentication.authenticate, State.NOT_AUTHENTICATED),
    commands.Login: Verb(authentication.login, State.NOT_AUTHENTICATED),
    commands.Enable: Verb(informational.enable),
    commands.Namespace: Verb(informational.namespace),
    commands.GetQuota: Verb(quota.get_quota),
    commands.GetQuotaRoot: Verb(quota.get_quota_root),
    commands.SetQuota: Verb(quota.set_quota),
    commands.Select: Verb(selection.select),
    commands.Examine: Verb(selection.examine),
    commands.Create: Verb(mailboxes.create),
    commands.Delete: Verb(mailboxes.delete),
    commands.Rename: Verb(mailboxes.rename),
    commands.Subscribe: Verb(mailboxes.subscribe),
    commands.Unsubscribe: Verb(mailboxes.unsubscribe),
    commands.List: Verb(listing.list_),
    commands.Lsub: Verb(listing.lsub),
    commands.Status: Verb(status.status),
    commands.Append: Verb(append.unexpected),
    commands.Check: Verb(informational.check, State.SELECTED),
    commands.Close: Verb(selection.close, State.SELECTED),
    commands.Unselect: Verb(selection.unselect, State.SELECTED),
    commands.Expunge: Verb(selection.expunge, State.SELECTED),
    commands.Search: Verb(search.search, State.SELECTED, keeps_numbers=_searches_by_number),
    commands.Fetch: Verb(fetch.fetch, State.SELECTED, keeps_numbers=_by_number),
    commands.Store: Verb(store_flags.store, State.SELECTED, keeps_numbers=_by_number),
    commands.Copy: Verb(copy.copy, State.SELECTED),
    commands.Move: Verb(copy.move, State.SELECTED),
    commands.Idle: Verb(idle.idle),
}


def out_of_place(verb: Verb, state: State) -> str | None:
    """What to tell a client whose command may not stand in this state; None where it may."""
    if state in verb.states:
        return None
    if state is State.NOT_AUTHENTICATED:
        return "Log in first"
    if verb.states is State.NOT_AUTHENTICATED:
        return "You are logged in already"
    return "Select a mailbox first"
