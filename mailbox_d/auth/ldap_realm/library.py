"""What is used of ldap3. Its import says nothing: it asks pyasn1 for two tables by names that they had before 0.5."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "(tag|type)Map is deprecated", DeprecationWarning)
    import ldap3
    from ldap3 import ANONYMOUS, BASE, NONE, SUBTREE, Connection, Server
    from ldap3.core.exceptions import (
        LDAPExceptionError,
        LDAPInvalidDnError,
        LDAPInvalidFilterError,
        LDAPSessionTerminatedByServerError,
        LDAPSocketSendError,
    )
    from ldap3.operation.bind import BindRequest
    from ldap3.protocol.rfc4511 import AuthenticationChoice, Simple, Version
    from ldap3.strategy.sync import SyncStrategy

__all__ = [
    "ANONYMOUS",
    "BASE",
    "NONE",
    "SUBTREE",
    "AuthenticationChoice",
    "BindRequest",
    "Connection",
    "LDAPExceptionError",
    "LDAPInvalidDnError",
    "LDAPInvalidFilterError",
    "LDAPSessionTerminatedByServerError",
    "LDAPSocketSendError",
    "Server",
    "Simple",
    "SyncStrategy",
    "Version",
    "ldap3",
]
