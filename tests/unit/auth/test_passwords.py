"""Stored passwords: what a real `doveadm pw` made verifies, what nobody made is refused when it is read."""

from __future__ import annotations

import base64
import hashlib
import pickle

import pytest
from argon2.exceptions import VerificationError
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.auth.passwords import NEW_SCHEMES, HashCost, StoredPassword, hash_password
from mailbox_d.auth.schemes import SCHEMES, SCRAM, CostCeiling, PasswordFault
from mailbox_d.auth.scram_keys import keys_text, make_keys, read_keys
from mailbox_d.errors import AuthenticationUnavailable

CHEAP = HashCost(passes=1, memory=8, lanes=1)

PASS = "pass"
PHRASE = "pass word é"
LONG = "x" * 80

# Printed by `doveadm pw -s SCHEME -p PASSWORD` of Dovecot 2.3.19.
DOVEADM = [
    (
        PASS,
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$WDYcLKgYkmnq0OEBK4kJtQ$zkCCpyQ5AJRz+1hmZyzKJgo1JqQqIV+f6QHiQHH9/2w",
    ),
    (
        PHRASE,
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$+ZJ8wj9otv3qUO7RAr3INA$cUZmtsOgbRF6RQluLIgPP+6kkkx9ZXkVEH8gCwwBSGo",
    ),
    (
        PASS,
        "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$q3sqpHtBofn4Udd3wkFS/Q$Gmo+YRn5FgI3s/sMNruRN9JKmgo4T83npk0I6tuKuJY",
    ),
    (PASS, "{BLF-CRYPT}$2y$05$OL87FeBd1Xj86LYlE.p86eoHxFCOaGTAf3t.fxLUp8PFNL8B1/b3m"),
    (PHRASE, "{BLF-CRYPT}$2y$05$hkDuY4l1CnrTnFQTI29vVejugSod2oako9fE5pFKMRcRPPciKdCby"),
    (LONG, "{BLF-CRYPT}$2y$05$.fp33DFfmMf/yo7XB5Yj7OmFEpvEB96JDO5b7BohLLQkPV2Yk1j0W"),
    (
        PASS,
        "{SHA512-CRYPT}$6$Xs2lfkOVGiB0q1mJ$efPPQjoRwJLdKEGOc1h/N/lNyscvwSI2Tqu9My0RbMEyUyaEN0RCS"
        "/sqnlrEazwgSDIl863llPS2PtTjnBlOS/",
    ),
    (
        PHRASE,
        "{SHA512-CRYPT}$6$1ruN5F5tzskXJrB/$3ZNUmMatPlBjI2HJAihb9foBmnKFPT3Qzh.2K1MVJ/TuFqh2p9nQloD"
        "/XKldzbYG2qDTbOqDs3wUNFC.3uFtN1",
    ),
    (
        PASS,
        "{SHA512-CRYPT}$6$rounds=1000$D.KrFcXFJ8vPBF5t$NybeULTRsfiUFGZEesQm0Aik0LptBF"
        "/ie5IHGqUZM5UvV6DADfgGAISA1GztJcncyQiG..DxQCePEtnUQfR/D.",
    ),
    (PASS, "{SHA256-CRYPT}$5$RI3nzWr5tIuyOSf4$hfJyBpiKbQfJSVwb3ctKmkITmq/cBdx3IRYR6Ck4nJA"),
    (PHRASE, "{SHA256-CRYPT}$5$qR/CvSJn.41AmFMY$bOqW2rAjhGnXZsQ21vJ3bFF5yQ/rvbwb4Yhy8x7JWg5"),
    (PASS, "{SSHA512}euE1RrdtIX6w2kdq+V6riOBHTibKdSj1r9PNTdb1iPe+Rz4Dts4BBM0O/QxazV7pBG3JskdD2YQQrquz1LuGz6FL/Ds="),
    (
        PASS,
        "{SSHA512.B64}pZ4OPS3dxF/wMgbKJyUOEvX1zX34ECuLv4g1W2zqrnlU9XnJ6dLrPNgNWEvys+gmQ5XV/SaxIBhCCHVMNscdzdWfSTY=",
    ),
    (
        PASS,
        "{SSHA512.HEX}7cce6a0797dc7c76183d5b695ea36487d84bd5bca766fafd434d2eaf78a4c154"
        "1da371b225506874fda85912e18eef156d55f09d66d6a4a8e30c33c3c70d69ee394ab0f0",
    ),
    (PHRASE, "{SSHA256}oGHqKEbpOO6FHrABxWKmF6c0oR70s5AdJM/XpxuOicvFSA+M"),
    (PASS, "{SSHA}rDDH4335AuPvldTEjVh6cijXvEGsUtWx"),
    (PASS, "{SSHA.B64}I6rAPHarIBMf45VzGHoAkmCElilRSSUv"),
    (PASS, "{SSHA.HEX}0d3922573a98bd483f260b4bc0168636df701b856f2fe4e6"),
    (
        PHRASE,
        "{SCRAM-SHA-256}4096,WqyOKrHzbvcLKurCRq8IIw==,nPt5JR0dzo1TK5WU9Y2HXx80U8aXZ6JQykUsJWIiJSc=,WurnCJ7sfXC8c5vbgm7wS5feMhb9HA6iQooJTNAjyP8=",
    ),
    (
        PASS,
        "{SCRAM-SHA-256}4096,+jHGhOuOlCVptCtiqe4GPA==,7EVuYnRdAB3pYB2nK4HrcXjdJeZ1LevAs02aE07z0Q0=,tLme9pbVYDB0zyEftKtF6two3Et4fdCILgA1jsvfzug=",
    ),
    (PHRASE, "{PLAIN}pass word é"),
    (PHRASE, "{PLAIN.B64}cGFzcyB3b3JkIMOp"),
]


def scheme_of(vector: tuple[str, str]) -> str:
    return vector[1].partition("}")[0].strip("{")


@pytest.mark.parametrize("vector", DOVEADM, ids=scheme_of)
def test_what_doveadm_made_verifies(vector: tuple[str, str]) -> None:
    password, text = vector
    stored = StoredPassword.parse(text)
    assert stored.verify(password.encode())


@pytest.mark.parametrize("vector", DOVEADM, ids=scheme_of)
@pytest.mark.parametrize("wrong", [b"", b"Pass", b"pass\0", b"\0", b"pas", b"pass word \xe9", b"\xff" * 5000])
def test_other_passwords_do_not_verify(vector: tuple[str, str], wrong: bytes) -> None:
    assert not StoredPassword.parse(vector[1]).verify(wrong)


def test_every_scheme_is_held_against_doveadm() -> None:
    assert {scheme_of(vector).partition(".")[0] for vector in DOVEADM} == set(SCHEMES)


def test_a_scheme_is_written_in_any_case() -> None:
    stored = StoredPassword.parse("{ssha.hex}0D3922573A98BD483F260B4BC0168636DF701B856F2FE4E6")
    assert stored.scheme == "SSHA"
    assert stored.verify(b"pass")


def test_bcrypt_looks_at_72_octets_as_crypt_does() -> None:
    stored = StoredPassword.parse(DOVEADM[5][1])
    assert stored.verify(b"x" * 72)
    assert stored.verify(b"x" * 200)
    assert not stored.verify(b"x" * 71)


@pytest.mark.parametrize("password", [b"a\0b", b"a\0", b"\0a"])
def test_nul_ends_no_password(password: bytes) -> None:
    salted = base64.b64encode(hashlib.sha1(password + b"salt").digest() + b"salt").decode()
    assert not StoredPassword.parse("{SSHA}" + salted).verify(password)


def test_a_new_hash_is_argon2id_and_verifies() -> None:
    text = hash_password(b"secret", CHEAP)
    assert text.startswith("{ARGON2ID}$argon2id$v=19$m=8,t=1,p=1$")
    assert StoredPassword.parse(text).verify(b"secret")
    assert not StoredPassword.parse(text).verify(b"Secret")
    assert hash_password(b"secret", CHEAP) != text


def test_new_keys_of_scram_verify_and_have_salts_of_their_own() -> None:
    texts = {hash_password(b"secret", CHEAP, scheme=SCRAM) for _ in range(3)}
    assert all(StoredPassword.parse(text).verify(b"secret") for text in texts)
    assert not any(StoredPassword.parse(text).verify(b"Secret") for text in texts)
    salts = {read_keys(StoredPassword.parse(text).value).salt for text in texts}
    assert len(salts) == 3 and all(len(salt) == 16 for salt in salts)


@pytest.mark.parametrize(
    ("typed", "sent"),
    [("I\u00adX", "IX"), ("\u2168", "IX"), ("\u00aa", "a"), ("e\u0301", "\u00e9"), ("a\u00a0b", "a b")],
)
def test_keys_of_scram_are_of_the_password_as_clients_prepare_it(typed: str, sent: str) -> None:
    """RFC 4013 section 3, and what keyboards make of one letter."""
    stored = StoredPassword.parse(hash_password(typed.encode(), scheme=SCRAM))
    assert stored.verify(sent.encode()) and stored.verify(typed.encode())
    assert not stored.verify(b"ix")


@pytest.mark.parametrize("invisible", ["\u00ad", "\u200d\u200c", "\ufe00\u2060"])
def test_an_invisible_password_is_none(invisible: str) -> None:
    """Each other one would be as good by SCRAM."""
    for scheme in NEW_SCHEMES:
        with pytest.raises(PasswordFault, match="nothing that can be seen"):
            hash_password(invisible.encode(), CHEAP, scheme=scheme)
    stored = StoredPassword.parse("{SCRAM-SHA-256}" + keys_text(make_keys(invisible.encode())))
    assert not stored.verify(invisible.encode())


@pytest.mark.parametrize("place", [0, 8, -1])
@pytest.mark.parametrize("scheme", ["SSHA", "SSHA256", "SSHA512"])
def test_each_octet_of_a_salted_digest_counts(scheme: str, place: int) -> None:
    digest = bytearray(hashlib.new({"SSHA": "sha1"}.get(scheme, scheme[1:].lower()), b"passsalt").digest())
    assert StoredPassword.parse(f"{{{scheme}.HEX}}{digest.hex()}{b'salt'.hex()}").verify(b"pass")
    digest[place] ^= 1
    assert not StoredPassword.parse(f"{{{scheme}.HEX}}{digest.hex()}{b'salt'.hex()}").verify(b"pass")


def test_new_hashes_cost_two_passes_over_19_mib() -> None:
    assert hash_password(b"secret").startswith("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pass",
        "$2y$05$OL87FeBd1Xj86LYlE.p86eoHxFCOaGTAf3t.fxLUp8PFNL8B1/b3m",
        "{}pass",
        "{PLAIN",
        "PLAIN}pass",
        " {PLAIN}pass",
        "{PLAIN.ROT13}pass",
        "{PLAIN}",
        "{PLAIN}a\0b",
        "{PLAIN.B64}",
        "{PLAIN.B64}!!!!",
        "{MD5}5f4dcc3b5aa765d61d8327deb882cf99",
        "{CRYPT}$6$a$b",
        "{ARGON2ID}",
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$WDYcLKgYkmnq0OEBK4kJtQ",
        "{ARGON2ID}$argon2i$v=19$m=32768,t=4,p=1$q3sqpHtBofn4Udd3wkFS/Q$Gmo+YRn5FgI3s/sMNruRN9JKmgo4T83npk0I6tuKuJY",
        "{ARGON2I}$argon2id$v=19$m=65536,t=3,p=1$WDYcLKgYkmnq0OEBK4kJtQ$zkCCpyQ5AJRz+1hmZyzKJgo1JqQqIV+f6QHiQHH9/2w",
        "{ARGON2ID}$argon2id$v=19$m=0,t=0,p=0$WDYcLKgYkmnq0OEBK4kJtQ$zkCCpyQ5AJRz+1hmZyzKJgo1JqQqIV+f6QHiQHH9/2w",
        "{ARGON2ID}$argon2id$v=19$m=7,t=3,p=1$WDYcLKgYkmnq0OEBK4kJtQ$zkCCpyQ5AJRz+1hmZyzKJgo1JqQqIV+f6QHiQHH9/2w",
        "{ARGON2ID}$argon2id$v=19$m=065536,t=3,p=1$WDYcLKgYkmnq0OEBK4kJtQ$zkCCpyQ5AJRz+1hmZyzKJgo1JqQqIV+f6QHiQHH9/2w",
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$WDYcLKgYkmnq0OEBK4kJtR$zkCCpyQ5AJRz+1hmZyzKJgo1JqQqIV+f6QHiQHH9/2w",
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$WDYcLKgYkmnq0OEBK4kJt$zkCCpyQ5AJRz+1hmZyzKJgo1JqQqIV+f6QHiQHH9/2w",
        "{BLF-CRYPT}",
        "{BLF-CRYPT}$2x$05$OL87FeBd1Xj86LYlE.p86eoHxFCOaGTAf3t.fxLUp8PFNL8B1/b3m",
        "{BLF-CRYPT}$2y$01$OL87FeBd1Xj86LYlE.p86eoHxFCOaGTAf3t.fxLUp8PFNL8B1/b3m",
        "{BLF-CRYPT}$2y$05$OL87FeBd1Xj86LYlE.p86eoHxFCOaGTAf3t",
        "{BLF-CRYPT}$2y$\u0660\u0665$OL87FeBd1Xj86LYlE.p86eoHxFCOaGTAf3t.fxLUp8PFNL8B1/b3m",
        "{BLF-CRYPT}$2y$05$OL87FeBd1Xj86LYlE.p86eoHxFCOaGTAf3t.fxLUp8PFNL8B1/b3m\n",
        "{SHA512-CRYPT}pass",
        "{SHA512-CRYPT}$6$rounds=999$a$" + "a" * 86,
        "{SHA512-CRYPT}$6$rounds=01000$a$" + "a" * 86,
        "{SHA512-CRYPT}$5$RI3nzWr5tIuyOSf4$hfJyBpiKbQfJSVwb3ctKmkITmq/cBdx3IRYR6Ck4nJA",
        "{SHA256-CRYPT}$5$RI3nzWr5tIuyOSf4$",
        "{SSHA}",
        "{SSHA}pass",
        "{SSHA}" + base64.b64encode(b"x" * 20).decode(),
        "{SSHA}0d3922573a98bd483f260b4bc0168636df701b856f2fe4e6!",
        "{SSHA.HEX}0d39 2257 3a98",
        "{SSHA.HEX}rDDH4335AuPvldTEjVh6cijXvEGsUtWx",
        "{SSHA512}" + base64.b64encode(b"x" * 64).decode(),
    ],
)
def test_a_stored_password_that_nobody_made_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(PasswordFault):
        StoredPassword.parse(text)


@pytest.mark.parametrize("text", ["hunter2", "{hunter2}", "{hunter2}x", "{hunter2.b64}x"])
def test_a_refusal_names_the_schemes_and_not_the_password(text: str) -> None:
    with pytest.raises(PasswordFault) as refusal:
        StoredPassword.parse(text)
    assert all(f"{{{name}}}" in refusal.value.expected for name in SCHEMES)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("written", "meant"), [("ARGON2D", "ARGON2ID"), ("BCRYPT", "BLF-CRYPT"), ("sha512crypt", "SHA512-CRYPT")]
)
def test_a_scheme_close_to_a_known_one_is_suggested(written: str, meant: str) -> None:
    with pytest.raises(PasswordFault) as refusal:
        StoredPassword.parse(f"{{{written}}}x")
    assert refusal.value.expected.endswith(f"did you mean {{{meant}}}?")


@pytest.mark.parametrize(
    "text",
    [
        DOVEADM[0][1].replace("m=65536", "m=999999999"),
        DOVEADM[0][1].replace("t=3", "t=99999"),
        DOVEADM[0][1].replace("p=1", "p=400"),
        DOVEADM[3][1].replace("$05$", "$31$"),
        DOVEADM[8][1].replace("rounds=1000", "rounds=999999999"),
        DOVEADM[18][1].replace("}4096", "}1000001"),
    ],
)
def test_a_hash_that_would_burn_minutes_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(PasswordFault, match="too long to verify"):
        StoredPassword.parse(text)


def test_the_ceiling_is_a_parameter() -> None:
    with pytest.raises(PasswordFault):
        StoredPassword.parse(DOVEADM[3][1], CostCeiling(bcrypt_cost=4))
    assert StoredPassword.parse(DOVEADM[3][1].replace("$05$", "$20$"), CostCeiling(bcrypt_cost=20))


def test_a_stored_password_is_not_shown() -> None:
    assert "pass" not in repr(StoredPassword.parse("{PLAIN}pass"))


def test_a_stored_password_can_go_to_another_process() -> None:
    for _, text in DOVEADM:
        stored = StoredPassword.parse(text)
        assert pickle.loads(pickle.dumps(stored)) == stored


def test_memory_that_runs_short_is_not_told_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify_secret(*_: object) -> bool:
        raise VerificationError("Memory allocation error")

    stored = StoredPassword.parse(hash_password(b"secret", CHEAP))
    monkeypatch.setattr("argon2.low_level.verify_secret", verify_secret)
    with pytest.raises(AuthenticationUnavailable) as refusal:
        stored.verify(b"secret")
    assert refusal.value.temporary
    assert "allocation" not in refusal.value.public


@given(st.text() | st.builds("{{{}}}{}".format, st.sampled_from([*SCHEMES, "SSHA.HEX"]), st.text()))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        stored = StoredPassword.parse(text)
    except PasswordFault:
        return
    assert stored.scheme in SCHEMES
    assert not stored.verify(b"")


@given(st.binary())
def test_any_octets_can_be_tried(password: bytes) -> None:
    for name in ("{SSHA}rDDH4335AuPvldTEjVh6cijXvEGsUtWx", hash_password(b"secret", CHEAP), "{PLAIN}x\u00e9"):
        assert not StoredPassword.parse(name).verify(password) or password == "x\u00e9".encode()
