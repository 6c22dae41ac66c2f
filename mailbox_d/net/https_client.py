"""Asking one server by HTTPS whom the configuration names: one request for a connection, in bounded time and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.ssl import Certificate, TLSVersion, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer, RequestTransmissionFailed, ResponseFailed
from twisted.web.http_headers import Headers

from mailbox_d.net.bounded_answers import (
    HEADER_MAX,
    AnswerCutShort,
    AnswerTooLong,
    BoundedBody,
    BoundedEndpoint,
    OnlyEndpoint,
)
from mailbox_d.printable import one_line

HTTPS_PORT = 443


class NoAnswer(Exception):
    """There came no answer that is whole, from the right server, with status 200. Its text is for the log."""


class HttpsClient:
    """Asks at one URL. `ca`: a file of authorities in PEM, or None for the system's; `octets`: of an answer's body;
    `timeout`: seconds for all of it. Redirects are not followed.

    Reads `ca`: raises `OSError`, `ValueError`.
    """

    def __init__(self, reactor: Any, url: str, ca: Path | None, *, octets: int, timeout: float) -> None:
        parts = urlsplit(url)
        self._reactor = reactor
        self._url = url
        self._host = parts.hostname or ""
        self._port = parts.port or HTTPS_PORT
        self._octets = octets
        self._timeout = timeout
        tls: Any = {"raiseMinimumTo": TLSVersion.TLSv1_2}
        self._tls: Any = optionsForClientTLS(self._host, _trust(ca), extraCertificateOptions=tls)

    async def ask(self, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        """The answer's body; POST where there is something to say, otherwise GET. Raises `NoAnswer`."""
        asking = Deferred.fromCoroutine(self._ask(body, headers or {}))
        asking.addTimeout(self._timeout, self._reactor)
        try:
            return await asking
        except (TimeoutError, CancelledError):
            raise NoAnswer(f"{self._host} takes too long") from None
        except (ConnectError, DNSLookupError, ResponseFailed, RequestTransmissionFailed, SSL.Error) as error:
            raise NoAnswer(f"{self._host}: {_reasons(error)}") from None
        except AnswerTooLong:
            raise NoAnswer(f"{self._host}: the answer is too long") from None
        except AnswerCutShort:
            raise NoAnswer(f"{self._host}: the answer was cut short") from None

    async def _ask(self, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        endpoint: Any = HostnameEndpoint(self._reactor, self._host, self._port, timeout=self._timeout)
        bounded = BoundedEndpoint(wrapClientTLS(self._tls, endpoint, self._reactor), self._octets + HEADER_MAX)
        only: Any = OnlyEndpoint(bounded)
        agent = Agent.usingEndpointFactory(self._reactor, only)
        fields = Headers({"User-Agent": ["mailboxd"], **{name: [value] for name, value in headers.items()}})
        said: Any = None if body is None else FileBodyProducer(BytesIO(body))
        response = await agent.request(b"GET" if body is None else b"POST", self._url.encode("ascii"), fields, said)
        answer = BoundedBody(self._octets, bounded)
        response.deliverBody(answer)
        if response.code != 200:
            answer.give_up()
            raise NoAnswer(f"{self._host} answered with status {response.code}")
        return await answer.whole


def _trust(ca: Path | None) -> Any:
    if ca is None:
        return platformTrust()
    certificates = x509.load_pem_x509_certificates(ca.read_bytes())
    return trustRootFromCertificates(Certificate(crypto.X509.from_cryptography(one)) for one in certificates)


def _reasons(error: Exception) -> str:
    reasons: Sequence[Failure] = getattr(error, "reasons", ())
    if any(reason.check(CancelledError) for reason in reasons):
        return "it takes too long"
    return one_line("; ".join(reason.getErrorMessage() for reason in reasons) or error)
