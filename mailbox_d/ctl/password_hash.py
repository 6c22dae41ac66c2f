"""`python -m mailbox_d.ctl.password_hash`: asks for a password and prints what to put into a users file.

With input that is no terminal, its first line is the password.
"""

from __future__ import annotations

import getpass
import sys

from mailbox_d.auth.passwords import hash_password


def main() -> int:
    password = ask() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password or "\0" in password:
        print("There is no password to hash.", file=sys.stderr)
        return 1
    print(f'password: "{hash_password(password.encode("utf-8", "surrogateescape"))}"')
    return 0


def ask() -> str:
    """The password as it was typed twice alike; empty where it was not."""
    password = getpass.getpass("Password: ")
    return password if password == getpass.getpass("Once more: ") else ""


if __name__ == "__main__":
    sys.exit(main())
