"""The kernel says who is at the other end."""

from __future__ import annotations

import os
import socket

import pytest

from mailbox_d.net.peer_credentials import credentials_of


def test_the_peer_of_a_pair_is_this_process() -> None:
    here, there = socket.socketpair()
    with here, there:
        peer = credentials_of(here)
    assert (peer.process, peer.user) == (os.getpid(), os.geteuid())
    assert peer.groups == {os.getegid(), *os.getgroups()}


def test_a_socket_of_the_network_has_no_credentials() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        try:
            peer = credentials_of(server)
        except OSError:
            return
        assert peer.user not in (0, os.geteuid()) or pytest.fail("nobody was taken for us")
