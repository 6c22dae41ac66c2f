"""A new password: typed twice, the first line of the input, or made up; and how it is stored."""

from __future__ import annotations

import argparse
import getpass
import secrets
import sys
from dataclasses import dataclass, field

from mailbox_d.auth.passwords import NEW_SCHEMES, hash_password
from mailbox_d.auth.portal import MAX_PASSWORD
from mailbox_d.auth.scram_keys import is_invisible

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""32 letters and digits that look like no other in print, so each is worth five bits."""
GROUPS, GROUP = 4, 5
"""A password of twenty of them: 100 bits, which no guessing gets at, however quick its hash is."""

_NO_TEXT = "the password is no text in UTF-8"


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


def add_scheme_option(parser: argparse.ArgumentParser, default: str = "as it is, or as login.mechanisms asks") -> None:
    """The option that says how a new password is stored; None where it does not say."""
    parser.add_argument("--scheme", choices=NEW_SCHEMES, help=f"how it is stored (default: {default})")


def new_password(given: argparse.Namespace, scheme: str) -> NewPassword:
    """The password that these options ask for, stored by `scheme` where they name none. Raises `NoPassword`."""
    scheme = given.scheme or scheme
    if given.generate:
        return generated_password(scheme)
    password = read_password() if given.password_stdin else _asked()
    return NewPassword(hash_password(password, scheme=scheme))


def generated_password(scheme: str) -> NewPassword:
    """A password that nobody can guess and anybody can type."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
    password = "-".join(groups)
    return NewPassword(hash_password(password.encode("ascii"), scheme=scheme), password)


def read_password() -> bytes:
    """The first line of the input. Raises `NoPassword`."""
    try:
        line = sys.stdin.readline()
    except UnicodeError:
        raise NoPassword(_NO_TEXT) from None
    return usable(line.rstrip("\r\n"))


def typed_password() -> bytes:
    """A password that is typed twice alike. Raises `NoPassword`."""
    password = typed("Password: ")
    if not password or password != typed("Once more: "):
        raise NoPassword("there is no password, or the two are not alike")
    return usable(password)


def typed(prompt: str) -> str:
    """A line typed unseen, empty at the end of the input. Raises `NoPassword`."""
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""
    except UnicodeError:
        raise NoPassword(_NO_TEXT) from None


def usable(password: str) -> bytes:
    """A password as octets. Raises `NoPassword` for one with which nobody could log in."""
    if not password or "\0" in password:
        raise NoPassword("there is no password")
    octets = password.encode("utf-8", "surrogateescape")
    if len(octets) > MAX_PASSWORD:
        raise NoPassword(f"the password has {len(octets)} octets; nobody can log in with more than {MAX_PASSWORD}")
    if is_invisible(octets):
        raise NoPassword("the password has nothing that can be seen")
    return octets


def _asked() -> bytes:
    if not sys.stdin.isatty():
        raise NoPassword("there is nobody to ask for a password: use --password-stdin or --generate")
    return typed_password()
