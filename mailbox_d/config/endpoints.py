"""Twisted's endpoint strings as values: where a service listens.

Twisted's own parser lives beside the reactor, so its grammar (`:` between parameters, `=` behind a parameter's name,
`\\` before a character that stands for itself) is read here again. Only the kinds that say nothing about TLS are
taken: a service's name says whether TLS comes at once, later or never.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mailbox_d.config.faults import Refusal, shown, unknown
from mailbox_d.config.scalars import HIGHEST_PORT, Scalar

DEFAULT_BACKLOG = 511
LONGEST_SOCKET_PATH = 107
"""Octets of a unix socket's path (unix(7), sun_path without its NUL)."""


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A TCP port, 0 for any free one; `interface` is an IP address, empty for every IPv4 address."""

    port: int
    interface: str = ""
    backlog: int = DEFAULT_BACKLOG

    def __str__(self) -> str:
        """As Twisted's `serverFromString` reads it."""
        return f"tcp:{self.port}:interface={_quote(self.interface)}:backlog={self.backlog}"


@dataclass(frozen=True, slots=True)
class UnixEndpoint:
    """A unix socket with the permissions of its file; a lock file beside it tells whether its owner still lives."""

    path: Path
    mode: int = 0o660
    backlog: int = DEFAULT_BACKLOG
    lockfile: bool = True

    def __str__(self) -> str:
        """As Twisted's `serverFromString` reads it."""
        return f"unix:{_quote(str(self.path))}:mode={self.mode:o}:backlog={self.backlog}:lockfile={int(self.lockfile)}"


@dataclass(frozen=True, slots=True)
class SystemdEndpoint:
    """A socket that systemd holds for us, by its name or its index; `domain` is INET, INET6 or UNIX."""

    domain: str
    name: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        """As Twisted's `serverFromString` reads it."""
        chosen = f"index={self.index}" if self.name is None else f"name={_quote(self.name)}"
        return f"systemd:domain={self.domain}:{chosen}"


Endpoint: TypeAlias = TcpEndpoint | UnixEndpoint | SystemdEndpoint


def places(endpoint: Endpoint, *, dual_stack: bool) -> tuple[frozenset[Hashable], frozenset[Hashable]]:
    """What an endpoint takes, and which things taken by others leave no room for it.

    A port of every IPv4 address leaves none of them free; one of every IPv6 address leaves no IPv4 address free
    either on a machine with `dual_stack`.
    """
    if not isinstance(endpoint, TcpEndpoint):
        place = endpoint.path if isinstance(endpoint, UnixEndpoint) else endpoint
        return frozenset({place}), frozenset({place})
    if endpoint.port == 0:
        return frozenset(), frozenset()
    version, wildcard = ("IPv6", "::") if ":" in endpoint.interface else ("IPv4", "0.0.0.0")
    interface = endpoint.interface or wildcard
    clashing = {version} if interface == wildcard else {interface, wildcard}
    if dual_stack and (interface == "::" or version == "IPv4"):
        clashing.add("IPv4" if interface == "::" else "::")
    port = endpoint.port
    return frozenset({(port, interface), (port, version)}), frozenset((port, place) for place in clashing)


def is_dual_stack() -> bool:
    """Whether a socket of every IPv6 address takes IPv4 connections too on this machine (ipv6(7), bindv6only)."""
    try:
        return Path("/proc/sys/net/ipv6/bindv6only").read_text().strip() == "0"
    except OSError:
        return False


_AN_ENDPOINT = "a Twisted endpoint string such as tcp:25 or unix:lmtp.sock"
_REFUSED = {
    "ssl": "tcp:, as TLS belongs to the service: imaps, submissions and pop3s begin with it",
    "tls": "tcp:, as TLS belongs to the service: imaps, submissions and pop3s begin with it",
    "tcp6": r"tcp: with interface=\:\:",
    "stdio": "tcp:, unix: or systemd:",
    "fd": "systemd:",
    "haproxy": "tcp:, unix: or systemd:",
}


class EndpointText(Scalar):
    """A Twisted endpoint string; a unix socket's relative path starts at the configuration file's folder."""

    expected = _AN_ENDPOINT

    def read_text(self, text: str, folder: Path) -> Endpoint:
        return parse_endpoint(text, folder)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^(tcp|unix|systemd):", "examples": ["tcp:25", "unix:state/lmtp.sock"]}


def parse_endpoint(text: str, folder: Path) -> Endpoint:
    """Read one endpoint string. Raises `Refusal`."""
    words, named = split(text)
    kind = words[0] if words else ""
    if kind in _REFUSED:
        raise Refusal(f"endpoints of the kind {kind}: are refused", _REFUSED[kind])
    if kind not in _KINDS and len(words) + len(named) < 2:
        raise Refusal(f"{shown(text)} is no endpoint", _AN_ENDPOINT)
    if kind not in _KINDS:
        raise Refusal(*unknown(f"the kind of endpoint {shown(kind)}", kind, _KINDS))
    parameters, read = _KINDS[kind]
    return read(_bind(kind, words[1:], named, parameters), folder)


def split(text: str) -> tuple[list[str], dict[str, str]]:
    """An endpoint string's words and its named parameters, unquoted. Raises `Refusal`."""
    words: list[str] = []
    named: dict[str, str] = {}
    for parameter in _cut(text, ":"):
        name, *value = _cut(parameter, "=", most=1)
        if value and _unquote(name) in named:
            raise Refusal(f"{shown(_unquote(name))} is given twice", "it once")
        if value:
            named[_unquote(name)] = _unquote(value[0])
        else:
            words.append(_unquote(name))
    return words, named


def _cut(text: str, separator: str, most: int = -1) -> list[str]:
    """Split at separators that no backslash precedes."""
    parts = [""]
    for token in re.findall(r"\\.|[^\\]|\\$", text, re.DOTALL):
        if token == separator and most != len(parts) - 1:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def _unquote(text: str) -> str:
    if re.search(r"(?<!\\)(?:\\\\)*\\$", text):
        raise Refusal(f"{shown(text)} ends in a backslash", "a character behind it")
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _quote(text: str) -> str:
    return re.sub(r"([\\:=])", r"\\\1", text)


def _bind(kind: str, words: list[str], named: Mapping[str, str], parameters: tuple[str, ...]) -> dict[str, str]:
    """The parameters by name, whether they were named or came in their places."""
    if len(words) > len(parameters):
        expected = rf"at most {len(parameters)}; the colons of an IPv6 address are written \:"
        raise Refusal(f"too many parameters for {kind}:", expected)
    bound = dict(zip(parameters, words, strict=False))
    for name, value in named.items():
        if name not in parameters:
            raise Refusal(*unknown(f"the parameter {shown(name)} of {kind}:", name, parameters))
        if name in bound:
            raise Refusal(f"{shown(name)} is given twice", r"it once; the colons of an IPv6 address are written \:")
        bound[name] = value
    return bound


def _tcp(given: Mapping[str, str], folder: Path) -> TcpEndpoint:
    port = _number(given, "port", None, HIGHEST_PORT)
    interface = given.get("interface", "")
    try:
        interface = str(ipaddress.ip_address(interface)) if interface else ""
    except ValueError:
        expected = r"an IP address such as 127.0.0.1, or \:\: in single quotes"
        raise Refusal(f"the interface {shown(interface)} is no IP address", expected) from None
    return TcpEndpoint(port, interface, _number(given, "backlog", DEFAULT_BACKLOG, HIGHEST_PORT))


def _unix(given: Mapping[str, str], folder: Path) -> UnixEndpoint:
    text = given.get("address", "")
    if not text or "\0" in text:
        raise Refusal("unix: without a path", "a path such as unix:state/lmtp.sock")
    path = folder / text
    if len(str(path).encode(errors="surrogateescape")) > LONGEST_SOCKET_PATH:
        raise Refusal(f"the socket's path {shown(str(path))} is too long", f"at most {LONGEST_SOCKET_PATH} octets")
    mode = given.get("mode", "660")
    if not re.fullmatch(r"0?[0-7]{3}", mode):
        raise Refusal(f"the mode {shown(mode)} is not octal", "three digits such as 660")
    backlog = _number(given, "backlog", DEFAULT_BACKLOG, HIGHEST_PORT)
    return UnixEndpoint(path, int(mode, 8), backlog, bool(_number(given, "lockfile", 1, 1)))


def _systemd(given: Mapping[str, str], folder: Path) -> SystemdEndpoint:
    domain = given.get("domain", "")
    if domain not in {"INET", "INET6", "UNIX"}:
        raise Refusal(f"systemd: with the domain {shown(domain)}", "systemd:domain=INET, INET6 or UNIX")
    if ("name" in given) == ("index" in given):
        raise Refusal("systemd: wants either a name or an index", "systemd:domain=INET:name=…")
    if "name" in given:
        return SystemdEndpoint(domain, name=given["name"])
    return SystemdEndpoint(domain, index=_number(given, "index", None, HIGHEST_PORT))


def _number(given: Mapping[str, str], name: str, default: int | None, most: int) -> int:
    text = given.get(name, "" if default is None else str(default))
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > most:
        raise Refusal(f"the {name} {shown(text)} is not possible", f"a number from 0 to {most}")
    return int(text)


_KINDS: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, str], Path], Endpoint]]] = {
    "tcp": (("port", "interface", "backlog"), _tcp),
    "unix": (("address", "mode", "backlog", "lockfile"), _unix),
    "systemd": (("domain", "index", "name"), _systemd),
}
