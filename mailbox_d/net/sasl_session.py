"""One SASL exchange of one connection, driven until somebody is let in or nobody is: alike for every protocol.

A protocol says what a challenge and an end look like, and nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailbox_d.errors import AuthenticationFailed
from mailbox_d.net.login import FAILED, Admission, LoginGate, LoginPeer
from mailbox_d.wire.sasl.exchange import Challenge, Mechanism, SaslError, Step, WantsKeys
from mailbox_d.wire.sasl.mechanisms import mechanism
from mailbox_d.wire.sasl.scram import ScramSha256


class SaslSession:
    """What comes of each step is the next challenge, or an admission.

    The steps raise `SaslError` for what is malformed or cancelled, `AuthenticationFailed` (also for a wrong proof that
    a mechanism finds itself), `AuthenticationUnavailable` and `TooManySessions`; then nothing may follow.
    """

    def __init__(self, gate: LoginGate, name: str, peer: LoginPeer) -> None:
        """`name`: the mechanism's. Raises `UnknownMechanism`."""
        self._gate = gate
        self._mechanism: Mechanism = mechanism(name, gate.mechanisms, peer.terms)
        self._peer = replace(peer, mechanism=self._mechanism.name)
        self._authcid = ""
        self._has_failed = False

    async def start(self, initial: bytes | None) -> Challenge | Admission:
        """Begin, with the initial response as it stood behind the mechanism's name, or None without one."""
        return await self._take(lambda: self._mechanism.start(initial))

    async def step(self, line: bytes) -> Challenge | Admission:
        """Go on with the client's line, without its line end."""
        if self._has_failed:  # it was told why, and had to say something
            raise AuthenticationFailed(FAILED)
        if self._authcid and self._gate.is_too_early(self._authcid, self._peer):
            return await self._gate.refuse(self._authcid, self._peer)
        return await self._take(lambda: self._mechanism.step(line))

    async def _take(self, take: Callable[[], Step]) -> Challenge | Admission:
        try:
            step = take()
        except SaslError as error:
            if isinstance(error, AuthenticationFailed):
                return await self._gate.refuse(self._authcid, self._peer)
            raise
        if isinstance(step, WantsKeys):
            return await self._with_keys(step)
        if isinstance(step, Challenge):
            return step
        try:
            return await self._gate.admit(step, self._peer)
        except AuthenticationFailed:
            if not self._mechanism.refusal:
                raise
            self._has_failed = True
            return Challenge(self._mechanism.refusal)

    async def _with_keys(self, wanted: WantsKeys) -> Challenge:
        assert isinstance(self._mechanism, ScramSha256)
        self._authcid = wanted.authcid  # to be told in the log, and counted, where the proof is wrong
        keys, known = await self._gate.keys(wanted.authcid, self._peer)
        return self._mechanism.keys(keys, known=known)
