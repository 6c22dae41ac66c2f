"""Ports for servers that are started on loopback."""

from __future__ import annotations

import os
import random
import socket
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
_LOWEST = 10_000
_OF_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different.

    None of those that the kernel gives to clients: one of a busy client may be taken before the server is started.
    Where tests run in several processes, each has ports of its own.
    """
    ports: list[int] = []
    for port in random.sample(range(_LOWEST + _process(), int(_OF_CLIENTS.read_text().split()[0]), _processes()), 1000):
        if len(ports) == count:
            return ports
        with suppress(OSError), socket.create_server((HOST, port)):
            ports.append(port)
    raise OSError("No free ports")


def _processes() -> int:
    """How many processes run tests (pytest-xdist tells them)."""
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def _process() -> int:
    """Which of them this is."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
