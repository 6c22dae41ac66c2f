"""The keys of a realm whose users are in an LDAP directory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, Strict

from mailbox_d.config.faults import Refusal, shown
from mailbox_d.config.ldap_filter import DnTemplate, LdapFilter
from mailbox_d.config.scalars import FilePath, LdapUri, Scalar, Text
from mailbox_d.config.section import Section
from mailbox_d.config.units import HOUR, MINUTE, Duration

RestrictedService: TypeAlias = Literal["submission", "imap", "pop3"]


def _freeze(mapping: Mapping[RestrictedService, str]) -> Mapping[RestrictedService, str]:
    return MappingProxyType(dict(mapping))


class AttributeName(Scalar):
    """The name of an attribute (RFC 4512 section 1.4)."""

    expected = "the name of an attribute, such as mail"

    def read_text(self, text: str, folder: Path) -> str:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,99}", text):
            raise Refusal(f"{shown(text)} is no attribute's name", self.expected)
        return text


class LdapAttributes(Section):
    """The names of the attributes that say what a user has."""

    address: Annotated[str, AttributeName()] = "mail"
    """The user's own address, by which they log in and their Maildir is named: one value."""

    aliases: Annotated[str, AttributeName()] | None = None
    """Further addresses, with or without `smtp:` in front. The filter has to find them too."""

    quota: Annotated[str, AttributeName()] | None = None
    """How much the user may keep, in octets or as `1 GiB`."""

    quota_messages: Annotated[str, AttributeName()] | None = None
    """How many messages the user may keep."""

    senders: Annotated[str, AttributeName()] | None = None
    """As whom else the user may send: addresses, or `@domain` for all of a domain."""

    maildir: Annotated[str, AttributeName()] | None = None
    """Where the user's Maildir lies, below `storage.maildirs`: one value. null: where it lies by the address."""


class LdapGroups(Section):
    """Groups that are distribution lists."""

    base: Annotated[str, Text()]
    """Where the search for them begins."""

    filter: Annotated[str, LdapFilter(asks=True)] = "(&(objectClass=groupOfNames)(mail={address}))"
    """The filter that finds a group; `{address}` stands for the escaped address."""

    member: Annotated[str, AttributeName()] = "member"
    """The attribute with the members: addresses, or DNs of entries that have one."""


class LdapRealm(Section):
    """Users in an LDAP directory."""

    uris: Annotated[tuple[Annotated[str, LdapUri()], ...], Strict(False)]
    """The servers (`ldaps:`, `ldap:`, `ldapi:`), tried in order."""

    ca: Annotated[Path, FilePath()] | None = None
    """The authorities that the servers' certificates are checked against, in PEM; null: the system's."""

    starttls: Literal["required", "none"] = "required"
    """Whether `ldap:` connections turn to TLS first; `none` is for tests on the loopback interface."""

    bind_dn: Annotated[str, Text()] | None = None
    """The name with which the daemon searches; null: anonymously."""

    bind_password_file: Annotated[Path, FilePath()] | None = None
    """A file with the password of `bind_dn`."""

    base: Annotated[str, Text()]
    """Where the search begins."""

    user_filter: Annotated[str, LdapFilter(asks=True)] = "(&(objectClass=inetOrgPerson)(mail={address}))"
    """The filter that finds a user; `{address}` stands for the escaped address."""

    dn_template: Annotated[str, DnTemplate()] | None = None
    """The DN of a user, where addresses tell it: only that entry is looked at, if the filter fits it. `{address}`,
    `{local_part}` and `{domain}` stand for the escaped address and its parts."""

    attributes: LdapAttributes = LdapAttributes()
    """What the directory calls what users have."""

    disabled: Annotated[str, LdapFilter()] | None = None
    """A filter that fits the entries of users who may not log in; their mail is taken all the same."""

    services: Annotated[dict[RestrictedService, Annotated[str, LdapFilter()]], AfterValidator(_freeze)] = Field(
        default={}, validate_default=True
    )
    """A filter a service (`submission`, `imap`, `pop3`) that fits the entries of those who may use it, such as one for
    `memberOf`. A service that is not named is for all users."""

    groups: LdapGroups | None = None
    """Groups that are distribution lists; null: there are none."""

    timeout: Annotated[float, Duration(least=0.1, most=MINUTE)] = 5.0
    """How long a server may take to connect, and for each answer."""

    cache: Annotated[float, Duration(least=0, most=HOUR)] = MINUTE
    """How long what the directory said of an address holds."""

    login_cache: Annotated[float, Duration(least=0, most=HOUR)] = MINUTE
    """How long a password that the directory accepted is good without asking again; 0: not at all."""
