"""MTA-STS policies on disk, one file for each domain, as text that an operator can read.

A file is a policy as it is served, with fields of ours before it: `id` is what the domain's TXT record said, `fetched`
and `used` are seconds since 1970. Who deletes one loses what the domain once said, and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twisted.logger import Logger

from mailbox_d.printable import one_line
from mailbox_d.relay.tls.mta_sts import Policy, PolicyInvalid, read_policy
from mailbox_d.store.files import FileSystem, forget, make_directories, read_whole
from mailbox_d.store.state_file import replace_file

FILE_MAX = 1 << 20
"""Octets of a file that is read."""

DOMAIN = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,249}")
"""Domains that policies are kept of: no other names become names of files."""

_OURS = re.compile(rb"id: ([A-Za-z0-9]{1,32})\nfetched: ([0-9]{1,12})\nused: ([0-9]{1,12})\n")

_log = Logger()


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A policy, under which id it was published, when it was fetched, and when mail last asked for it."""

    identifier: str
    policy: Policy
    fetched: float
    used: float

    @property
    def ends(self) -> float:
        return self.fetched + self.policy.max_age


class PolicyFiles:
    """The folder of policies. All of it blocks, and raises `OSError`; one call at a time."""

    def __init__(self, files: FileSystem, folder: bytes) -> None:
        self._files = files
        self._folder = folder

    def read(self, now: float, most: int) -> dict[str, KeptPolicy]:
        """The policies that hold still, those that were used last behind; what else lies there is removed. What cannot
        be read, such as a directory, takes nothing from the others, and stays for an operator to look at."""
        make_directories(self._files, self._folder)
        found: list[tuple[float, str, KeptPolicy]] = []
        for name in self._files.names(self._folder):
            try:
                kept = self._read_one(name)
            except OSError as fault:
                text = one_line(name.decode("ascii", "replace"))
                _log.warn("The MTA-STS policy {name} cannot be read: {why}", name=text, why=one_line(fault.strerror))
                continue
            if kept is None or kept.ends <= now:
                forget(self._files, self._path(name.decode("ascii", "surrogateescape")))
            else:
                found.append((kept.used, name.decode("ascii"), kept))
        found.sort(key=lambda one: one[:2])
        for _, domain, _ in found[:-most]:
            self.remove(domain)
        return {domain: kept for _, domain, kept in found[-most:]}

    def write(self, domain: str, kept: KeptPolicy) -> None:
        ours = (f"id: {kept.identifier}", f"fetched: {kept.fetched:.0f}", f"used: {kept.used:.0f}")
        text = "".join(line + "\n" for line in (*ours, *kept.policy.lines))
        replace_file(self._files, self._path(domain), text.encode("ascii"))

    def remove(self, domain: str) -> None:
        forget(self._files, self._path(domain))

    def _read_one(self, name: bytes) -> KeptPolicy | None:
        if not DOMAIN.fullmatch(name.decode("ascii", "replace")):
            return None
        text = read_whole(self._files, self._folder + b"/" + name, FILE_MAX) or b""
        ours = _OURS.match(text)
        if ours is None:
            return None
        try:
            policy = read_policy(text[ours.end() :])
        except PolicyInvalid:
            return None
        return KeptPolicy(ours[1].decode("ascii"), policy, float(ours[2]), float(ours[3]))

    def _path(self, domain: str) -> bytes:
        return self._folder + b"/" + domain.encode("ascii", "surrogateescape")
