"""A client of SCRAM-SHA-256, written from RFC 5802, which may lie."""

from __future__ import annotations

import base64
import hashlib
import hmac

from mailbox_d.wire.sasl.scram import ScramKeys


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def keys_of(password: bytes, salt: bytes = b"salt of the tests", iterations: int = 4096) -> ScramKeys:
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return ScramKeys(iterations, salt, hashlib.sha256(client_key).digest(), server_key)


class Client:
    """One exchange; `header` and `bound` are what it says of the channel."""

    def __init__(
        self, password: bytes = b"pass", header: bytes = b"n,,", bound: bytes = b"", user: bytes = b"alice@example.org"
    ) -> None:
        self.password = password
        self.header = header
        self.bound = bound
        self.bare = b"n=" + user + b",r=fyko+d2lbbFgONRv9qkxdawL"
        self.auth = b""

    @property
    def first(self) -> bytes:
        return self.header + self.bare

    def final(self, server_first: bytes, *, nonce: bytes = b"", channel: bytes | None = None) -> bytes:
        said = dict(part.split(b"=", 1) for part in server_first.split(b","))
        channel = self.header + self.bound if channel is None else channel
        without_proof = b"c=" + b64(channel) + b",r=" + (nonce or said[b"r"])
        self.auth = b",".join((self.bare, server_first, without_proof))
        salt, iterations = base64.b64decode(said[b"s"]), int(said[b"i"])
        self.salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, iterations)
        client_key = hmac.digest(self.salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), self.auth, "sha256")
        return without_proof + b",p=" + b64(bytes(a ^ b for a, b in zip(client_key, signature, strict=True)))

    def believes(self, server_final: bytes) -> bool:
        server_key = hmac.digest(self.salted, b"Server Key", "sha256")
        return server_final == b"v=" + b64(hmac.digest(server_key, self.auth, "sha256"))
