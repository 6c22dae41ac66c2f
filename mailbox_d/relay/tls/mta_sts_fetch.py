"""A domain's MTA-STS policy, fetched by HTTPS (RFC 8461 section 3.3).

The server is a stranger's: it is given one request, some addresses, a time and a number of octets, header and all. Its
certificate must be right before anything is asked, redirects are not followed, nothing is cached by HTTP's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.failure import Failure
from twisted.web.client import Agent, RequestTransmissionFailed, ResponseFailed
from twisted.web.http_headers import Headers
from zope.interface import implementer

from mailbox_d.net.bounded_answers import (
    HEADER_MAX,
    AnswerCutShort,
    AnswerTooLong,
    BoundedBody,
    BoundedEndpoint,
    OnlyEndpoint,
)
from mailbox_d.printable import one_line
from mailbox_d.relay.routes.host_lookup import alternating, outcome, together
from mailbox_d.relay.tls.handshakes import ClientConnection
from mailbox_d.relay.tls.mta_sts import Policy, PolicyInvalid, read_policy
from mailbox_d.relay.tls.peer_certificates import CertificateFault, chain_fault, name_fault
from mailbox_d.wire.dns.records import Answer, IPAddress, LookupFailed, Resolver

FETCH_ERROR = "sts-policy-fetch-error"
POLICY_INVALID = "sts-policy-invalid"
WEBPKI_INVALID = "sts-webpki-invalid"
"""Result types of RFC 8460 section 4.3.2.2."""

ADDRESSES_MAX = 4
"""Addresses of a policy's server that are tried."""

_PATH = b"/.well-known/mta-sts.txt"


class FetchFailed(Exception):
    """No policy came. Its text is for the record; `failure` is a result type of RFC 8460 section 4.3."""

    def __init__(self, problem: str, failure: str = FETCH_ERROR) -> None:
        super().__init__(problem)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """`port`: where policies are; `octets`: of a policy; `timeout`: seconds for all of it; `is_allowed`: which
    addresses may be connected to."""

    port: int
    octets: int
    timeout: float
    is_allowed: Callable[[IPAddress], bool]


class PolicyFetcher:
    """Fetches policies. `context`: the TLS context of `tls_client.client_context`, with its authorities."""

    def __init__(self, reactor: Any, resolver: Resolver, context: SSL.Context, settings: FetchSettings) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._context = context
        self._settings = settings

    async def fetch(self, domain: str) -> Policy:
        """The policy that `domain` (A-labels) has just now. Raises `FetchFailed`."""
        fetching = Deferred.fromCoroutine(self._fetch(f"mta-sts.{domain}"))
        fetching.addTimeout(self._settings.timeout, self._reactor)
        try:
            return read_policy(await fetching)
        except (TimeoutError, CancelledError):
            raise FetchFailed("the policy's server takes too long") from None
        except PolicyInvalid as fault:
            raise FetchFailed(f"the policy is invalid: {fault}", POLICY_INVALID) from None

    async def _fetch(self, name: str) -> bytes:
        addresses = await self._addresses(name)
        for address in addresses:
            try:
                return await self._fetch_from(name, address, self._settings.timeout / len(addresses))
            except ConnectError as error:
                failed = FetchFailed(f"no connection to {name} at {address}: {one_line(error)}")
        raise failed

    async def _addresses(self, name: str) -> Sequence[IPAddress]:
        """Where a policy's server may be asked, one of each family in turn; never empty. A family that cannot be looked
        up is passed over where the other one is there."""
        lookups: list[Coroutine[Any, Any, Answer[Any]]] = [self._resolver.a(name), self._resolver.aaaa(name)]
        outcomes = await together(*map(outcome, lookups))
        found = alternating(*(told.records for told in outcomes if isinstance(told, Answer)))
        allowed = [address for address in found if self._settings.is_allowed(address)]
        if not allowed:
            raise FetchFailed(_lack(name, found, [told for told in outcomes if isinstance(told, LookupFailed)]))
        return allowed[:ADDRESSES_MAX]

    async def _fetch_from(self, name: str, address: IPAddress, seconds: float) -> bytes:
        """`seconds`: until there is a connection. Raises `FetchFailed`, `ConnectError` where there comes none."""
        creator: Any = _VerifyingCreator(self._context, name)
        endpoint = wrapClientTLS(creator, self._endpoint(address, seconds), self._reactor)
        bounded = BoundedEndpoint(endpoint, self._settings.octets + HEADER_MAX)
        only: Any = OnlyEndpoint(bounded)
        agent = Agent.usingEndpointFactory(self._reactor, only)
        url = b"https://%s:%d%s" % (name.encode("ascii"), self._settings.port, _PATH)
        try:
            response = await agent.request(b"GET", url, Headers({b"User-Agent": [b"mailboxd"]}))
            return await self._body(response, bounded)
        except (ResponseFailed, RequestTransmissionFailed, SSL.Error) as error:
            if creator.fault is not None:
                raise FetchFailed(f"{name}: {creator.fault.problem}", WEBPKI_INVALID) from None
            raise FetchFailed(f"{name} gave no whole answer: {_reasons(error)}") from None

    def _endpoint(self, address: IPAddress, seconds: float) -> Any:
        endpoint = TCP4ClientEndpoint if address.version == 4 else TCP6ClientEndpoint
        return endpoint(self._reactor, str(address), self._settings.port, timeout=seconds)

    async def _body(self, response: Any, connection: BoundedEndpoint) -> bytes:
        fault = _fault_of(response)
        body = BoundedBody(0 if fault else self._settings.octets, connection)
        response.deliverBody(body)
        if fault:
            body.give_up()
            raise FetchFailed(fault)
        try:
            return await body.whole
        except AnswerTooLong:
            raise FetchFailed("the policy is too long", POLICY_INVALID) from None
        except AnswerCutShort:
            raise FetchFailed("the policy's server broke off") from None


def _lack(name: str, found: Sequence[IPAddress], failures: Sequence[LookupFailed]) -> str:
    """Why there is no address to ask."""
    if failures and not found:
        return f"the addresses of {name} cannot be looked up: {one_line(failures[0])}"
    return f"{name} has no address" + (" that may be connected to" if found else "")


def _fault_of(response: Any) -> str:
    """Why an answer is no policy, by its header."""
    if response.code != 200:
        return f"the policy's server answered with status {response.code}"
    kinds = response.headers.getRawHeaders(b"content-type") or [b""]
    if kinds[0].partition(b";")[0].strip().lower() != b"text/plain":
        return "the policy is not text/plain"
    return ""


def _reasons(error: Exception) -> str:
    reasons: Sequence[Failure] = getattr(error, "reasons", ())
    if any(reason.check(CancelledError) for reason in reasons):
        return "it took too long"
    return one_line("; ".join(reason.getErrorMessage() for reason in reasons) or type(error).__name__)


@implementer(IOpenSSLClientConnectionCreator)
class _VerifyingCreator:
    """Makes a connection whose handshake fails unless the certificate is right; `fault` says why it was not."""

    def __init__(self, context: SSL.Context, name: str) -> None:
        self._context = context
        self._name = name
        self.fault: CertificateFault | None = None

    def clientConnectionForTLS(self, tlsProtocol: Any) -> ClientConnection:  # noqa: N802, N803
        connection = ClientConnection(self._context)
        connection.set_tlsext_host_name(self._name.encode("ascii"))
        connection.set_verify(SSL.VERIFY_PEER, self._verify)
        return connection

    def _verify(self, _connection: SSL.Connection, shown: crypto.X509, error: int, depth: int, good: int) -> bool:
        if not good:
            self.fault = self.fault or chain_fault([error])
        elif depth == 0:
            self.fault = self.fault or name_fault(crypto.dump_certificate(crypto.FILETYPE_ASN1, shown), [self._name])
        return self.fault is None
