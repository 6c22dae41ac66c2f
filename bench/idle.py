"""What a thousand connections cost that have been greeted and then say nothing."""

from __future__ import annotations

import resource
import select
import socket
import time
from dataclasses import dataclass

from bench.processes import pss_kilobytes
from bench.servers import HOST, SOURCE, Server

GREETING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Idle:
    """How many connections were greeted of those opened; memory (PSS) before and with them, in kB."""

    opened: int
    greeted: int
    before: int
    after: int


def raise_descriptor_limit() -> None:
    """Let this process and its children have as many descriptors as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measure_idle(server: Server, count: int) -> Idle:
    """Open that many connections, wait for the greetings, weigh the server's processes."""
    before = sum(map(pss_kilobytes, server.pids))
    connections = [begin_connection(server.ports["smtp"]) for _ in range(count)]
    greeted = count_greeted(connections)
    after = sum(map(pss_kilobytes, server.pids))
    for connection in connections:
        connection.close()
    return Idle(count, greeted, before, after)


def begin_connection(port: int) -> socket.socket:
    connection = socket.socket()
    connection.bind((SOURCE, 0))
    connection.setblocking(False)
    connection.connect_ex((HOST, port))
    return connection


def count_greeted(connections: list[socket.socket]) -> int:
    """How many are greeted in time; some servers leave the rest waiting for as long as others are served."""
    poll, deadline, silent = select.epoll(), time.monotonic() + GREETING_SECONDS, len(connections)
    for connection in connections:
        poll.register(connection, select.EPOLLIN | select.EPOLLONESHOT)
    while silent and (left := deadline - time.monotonic()) > 0:
        silent -= len(poll.poll(left))
    poll.close()
    return len(connections) - silent
