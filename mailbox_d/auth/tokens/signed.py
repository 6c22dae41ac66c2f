"""Tokens that say all themselves (JWT, RFC 7519): the issuer's keys tell whether it made them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import RunInLane
from mailbox_d.auth.tokens.claims import Expected, address_of, check_claims, expiry
from mailbox_d.auth.tokens.keys import KeptKeys
from mailbox_d.auth.tokens.signatures import read_header, verify


class SignedTokens:
    """`run` does what takes the processor; `now` gives seconds since 1970. `expected` names issuer and audience."""

    def __init__(
        self,
        keys: KeptKeys,
        expected: Expected,
        algorithms: Collection[str],
        run: RunInLane,
        now: Callable[[], float],
    ) -> None:
        self._keys = keys
        self._expected = expected
        self._algorithms = tuple(algorithms)
        self._run = run
        self._now = now

    async def address_of(self, token: str) -> EmailAddress:
        """The address that a token proves. Raises `TokenRefused`, `AuthenticationUnavailable`."""
        header = read_header(token, self._algorithms)
        keys = await self._keys.find(header)
        claims = await self._run(verify, token, header, keys)
        expiry(claims)  # one that never ends is not taken
        check_claims(claims, self._expected, self._now())
        return address_of(claims, self._expected)
