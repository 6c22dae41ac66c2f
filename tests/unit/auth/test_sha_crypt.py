"""Hashes of crypt(3), by the system's library and by passlib."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passlib.hash import sha256_crypt, sha512_crypt

from mailbox_d.auth import sha_crypt
from mailbox_d.auth.passwords import StoredPassword

KINDS = {"SHA256-CRYPT": sha256_crypt, "SHA512-CRYPT": sha512_crypt}

passwords = st.binary(min_size=1, max_size=sha_crypt.MOST_OCTETS).filter(lambda octets: b"\0" not in octets)
salts = st.text("./0189AZaz", max_size=16)


@pytest.fixture(params=["libcrypt", "passlib"], autouse=True)
def crypt(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test with both."""
    forget = sha_crypt.system_crypt.cache_clear
    if request.param == "passlib":
        monkeypatch.setattr(sha_crypt, "_LIBRARIES", ("libnone.so.1",))
    forget()
    assert (sha_crypt.system_crypt() is None) is (request.param == "passlib"), "the tests want libcrypt"
    yield
    forget()


@settings(max_examples=30)
@given(st.sampled_from(sorted(KINDS)), passwords, passwords, salts, st.sampled_from([1000, 1001, 5000]))
def test_both_verify_what_passlib_makes(kind: str, password: bytes, other: bytes, salt: str, rounds: int) -> None:
    stored = StoredPassword.parse(f"{{{kind}}}" + KINDS[kind].using(rounds=rounds, salt=salt).hash(password))
    assert stored.verify(password)
    assert stored.verify(other) is (password == other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_password_that_is_too_long_is_refused_unhashed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = b"w" * sha_crypt.MOST_OCTETS
    stored = StoredPassword.parse(f"{{{kind}}}" + KINDS[kind].using(rounds=1000).hash(longest))
    longer = StoredPassword.parse(f"{{{kind}}}" + KINDS[kind].using(rounds=1000).hash(longest + b"w"))
    assert stored.verify(longest)

    def hash_nothing(*_: object) -> None:
        raise AssertionError("it is hashed")

    monkeypatch.setattr(sha_crypt, "system_crypt", hash_nothing)
    assert not stored.verify(longest + b"w")
    assert not longer.verify(longest + b"w")


def test_what_passlib_makes_by_default_is_no_fault() -> None:
    assert StoredPassword.parse("{SHA512-CRYPT}$6$rounds=656000$salt$" + "a" * 86)
    assert StoredPassword.parse("{SHA256-CRYPT}$5$rounds=535000$salt$" + "a" * 43)


def test_a_library_that_makes_no_such_hashes_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = StoredPassword.parse("{SHA512-CRYPT}" + sha512_crypt.using(rounds=1000).hash("pass"))

    def refuses(password: bytes, setting: bytes) -> bytes | None:
        return None

    def makes_others(password: bytes, setting: bytes) -> bytes | None:
        return setting + b"a" * 86

    for crypt in (refuses, makes_others):
        monkeypatch.setattr(sha_crypt, "_found", lambda crypt=crypt: iter([crypt]))
        sha_crypt.system_crypt.cache_clear()
        assert sha_crypt.system_crypt() is None
        assert stored.verify(b"pass")
        assert not stored.verify(b"word")


@pytest.mark.parametrize("crypt", ["libcrypt"], indirect=True)
def test_other_threads_work_while_libcrypt_hashes() -> None:
    """Where nobody is made to give the interpreter away, another thread never comes first unless the hash lets it."""
    stored = StoredPassword.parse("{SHA512-CRYPT}$6$rounds=50000$salt$" + "a" * 86)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        assert any(_comes_first(stored) for _ in range(100))
    finally:
        sys.setswitchinterval(before)


def _comes_first(stored: StoredPassword) -> bool:
    """Whether this thread works before another one has hashed."""
    begun, came = threading.Event(), []

    def verify() -> None:
        begun.set()
        stored.verify(b"pass")
        came.append("hash")

    thread = threading.Thread(target=verify)
    thread.start()
    begun.wait()
    came.append("other")
    thread.join()
    return came[0] == "other"
