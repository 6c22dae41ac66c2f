"""An issuer of tokens on loopback, by HTTPS: it has a JWK set, answers questions about tokens, and may be stopped.

with Issuer(authority.issue("localhost")) as issuer:
    issuer.keys = key_set(Signer())      # at /keys
    issuer.active["abc"] = {"email": …}  # at /introspect, for who knows CLIENT and SECRET
    issuer.stalls = True                 # from now on it says nothing
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import tempfile
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from tests.integration.authority import Pair
from tests.integration.ports import HOST

CLIENT, SECRET = "mailboxd", "s3cret"
_AUTHORIZATION = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
WAIT = 30.0


class Issuer:
    """Listens from `__enter__` on; after `stop`, nobody does at its port until `start`."""

    def __init__(self, pair: Pair) -> None:
        self.keys = b""
        self.active: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.stalls = False
        self.released = threading.Event()
        self.port = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            self._context.load_cert_chain(*pair.write(Path(folder), "issuer"))
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def __enter__(self) -> Issuer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, at the same port as before."""
        self.released.clear()
        server = _Server((HOST, self.port), _Answers)
        server.issuer, server.context = self, self._context
        self.port = server.server_address[1]
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self.released.set()
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.shutdown()
            server.server_close()
            self._thread.join(WAIT)


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    issuer: Issuer
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own."""
        request.settimeout(WAIT)
        with suppress(OSError), self.context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went is none."""


class _Answers(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        issuer = self.server.issuer
        self._answer(200 if self.path == "/keys" else 404, issuer.keys)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers["Authorization"] != _AUTHORIZATION or self.path != "/introspect":
            self._answer(401, b"")
            return
        (token,) = parse_qs(body)["token"]
        said = self.server.issuer.active.get(token)
        self._answer(200, json.dumps({"active": False} if said is None else {"active": True, **said}).encode())

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes) -> None:
        issuer = self.server.issuer
        issuer.asked.append(self.path)
        if issuer.stalls:
            issuer.released.wait(WAIT)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
