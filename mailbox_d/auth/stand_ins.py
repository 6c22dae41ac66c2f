"""Whose place strangers take: a name that nobody has costs what one of the realm's users costs, and looks as theirs do.

How a password is stored shows, in the time that a login takes and in what SCRAM tells. So each name has a user to stand
for it, of each kind about as often as users are; and it keeps them while users come and go. Otherwise whoever asks
again sees another kind, as they never do of a user.
"""

from __future__ import annotations

import hmac
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import NOBODYS_PASSWORD, StoredPassword
from mailbox_d.auth.realm import User
from mailbox_d.auth.schemes import SCRAM
from mailbox_d.auth.scram_keys import read_keys
from mailbox_d.auth.users_file import Login

T = TypeVar("T")

MOST_KINDS = 64
"""Of more the commonest count: each is looked at for each stranger."""

_NOBODY = Login(User(EmailAddress.parse("nobody@invalid")), NOBODYS_PASSWORD)
"""Where there are no users."""

_SETTING = re.compile(rb"\$(?:argon2id?\$v=19\$m=\d+,t=\d+,p=\d+|2[aby]\$\d\d|[56](?:\$rounds=\d+)?)\$")
"""What stands in front of a salt, of the schemes that say what they cost."""


class StandIns:
    """Those of one realm's users. To look at 50,000 of them takes a second: make it in a lane."""

    def __init__(self, logins: Iterable[Login]) -> None:
        by_kind: dict[str, list[Login]] = defaultdict(list)
        for login in logins:
            by_kind[kind_of(login.password)].append(login)
        self._kinds = _Choice.of({kind: _with_app_passwords(kind, alike) for kind, alike in by_kind.items()}, by_kind)

    def of(self, secret: bytes, name: str) -> Login:
        """A user in whose place somebody of this name is: first how their own password is stored is chosen, then what
        app passwords they have."""
        if not self._kinds.rows:
            return _NOBODY
        return self._kinds.by(secret, name).by(secret, name)


def kind_of(stored: StoredPassword) -> str:
    """The scheme of a password, what it costs, and how the salt looks that SCRAM shows."""
    if stored.scheme == SCRAM:
        keys = read_keys(stored.value)
        return f"{SCRAM} {keys.iterations} {len(keys.salt)}"
    setting = _SETTING.match(stored.value) if stored.value.startswith(b"$") and not stored.is_plain else None
    return f"{stored.scheme} {setting[0].decode('ascii')}" if setting is not None else stored.scheme


def _with_app_passwords(kind: str, logins: Sequence[Login]) -> _Choice[Login]:
    """Of users whose own passwords are of one kind, one for each kind of app passwords that there are."""
    alike: dict[str, list[Login]] = defaultdict(list)
    for login in logins:
        others = ((kind_of(one.password), sorted(one.services)) for one in login.app_passwords)
        alike[f"{kind} {list(others)}"].append(login)
    return _Choice.of({label: some[0] for label, some in alike.items()}, alike)


@dataclass(frozen=True, slots=True)
class _Choice(Generic[T]):
    """One of several for each name, each as often as its weight says: that with the highest score for the name. So what
    changes weight, comes or goes takes or loses names itself, and of the others none moves."""

    rows: tuple[tuple[bytes, int, T], ...]
    """Labels, weights, and what is chosen."""

    @classmethod
    def of(cls, choices: Mapping[str, T], users: Mapping[str, Sequence[Login]]) -> _Choice[T]:
        commonest = sorted(choices, key=lambda label: (-len(users[label]), label))[:MOST_KINDS]
        return cls(tuple((label.encode(), _magnitude(len(users[label])), choices[label]) for label in commonest))

    def by(self, secret: bytes, name: str) -> T:
        def score(row: tuple[bytes, int, T]) -> float:
            digest = hmac.digest(secret, b"%s\0%s" % (name.encode(), row[0]), "sha256")
            return -row[1] / math.log((int.from_bytes(digest[:6], "big") + 1) / (2**48 + 1))

        return max(self.rows, key=score)[2]


def _magnitude(users: int) -> int:
    """How many users there are, as a power of four, so that strangers move when users become many more or fewer alone:
    1, then 4 (from 2 on), 16 (from 8 on), 64 (from 32 on)."""
    return 1 << users.bit_length() // 2 * 2
