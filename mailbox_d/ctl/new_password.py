"""A new password: typed twice, the first line of the input, or made up; and how it is stored."""

from __future__ import annotations

import argparse
import secrets
import sys
from dataclasses import dataclass, field

from mailbox_d.auth.passwords import NEW_SCHEMES, hash_password
from mailbox_d.ctl.password_hash import ask

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""32 letters and digits that look like no other in print, so each is worth five bits."""
GROUPS, GROUP = 4, 5
"""A password of twenty of them: 100 bits, which no guessing gets at, however quick its hash is."""


class NoPassword(Exception):
    """There is no password that could be stored; the text says why."""


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password as it is stored, and itself where it was made up and so is to be shown."""

    stored: str = field(repr=False)
    shown: str | None = field(default=None, repr=False)


def add_password_options(parser: argparse.ArgumentParser) -> None:
    """Options that say where a new password comes from, and how it is stored."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--password-stdin", action="store_true", help="the password is the input's first line")
    source.add_argument("--generate", action="store_true", help="make one up and print it")
    add_scheme_option(parser)


def add_scheme_option(parser: argparse.ArgumentParser) -> None:
    """The option that says how a new password is stored."""
    parser.add_argument(
        "--scheme", choices=NEW_SCHEMES, default=NEW_SCHEMES[0], help="how it is stored (default: %(default)s)"
    )


def new_password(given: argparse.Namespace) -> NewPassword:
    """The password that these options ask for. Raises `NoPassword`."""
    if given.generate:
        return generated_password(given.scheme)
    password = read_password() if given.password_stdin else _asked()
    return NewPassword(hash_password(password, scheme=given.scheme))


def generated_password(scheme: str) -> NewPassword:
    """A password that nobody can guess and anybody can type."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
    password = "-".join(groups)
    return NewPassword(hash_password(password.encode("ascii"), scheme=scheme), password)


def read_password() -> bytes:
    """The first line of the input. Raises `NoPassword`."""
    return usable(sys.stdin.readline().rstrip("\r\n"))


def usable(password: str) -> bytes:
    """A password as octets. Raises `NoPassword` for one with which nobody could log in."""
    if not password or "\0" in password:
        raise NoPassword("there is no password")
    return password.encode("utf-8", "surrogateescape")


def _asked() -> bytes:
    if not sys.stdin.isatty():
        raise NoPassword("there is nobody to ask for a password: use --password-stdin or --generate")
    if not (password := ask()):
        raise NoPassword("there is no password, or the two are not alike")
    return usable(password)
