"""`python -m mailbox_d.ctl.password_hash`: asks for a password and prints what to put into a users file.

`--scheme SCRAM-SHA-256` makes what that mechanism needs; without it the password is hashed by Argon2.
With input that is no terminal, its first line is the password.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mailbox_d.auth.passwords import NEW_SCHEMES, hash_password
from mailbox_d.ctl.new_password import NoPassword, read_password, typed_password


def main(arguments: Sequence[str] = ()) -> int:
    scheme = parse(arguments)
    try:
        password = typed_password() if sys.stdin.isatty() else read_password()
    except NoPassword as error:
        print(f"Nothing is hashed: {error}.", file=sys.stderr)
        return 1
    print(f'password: "{hash_password(password, scheme=scheme)}"')
    return 0


def parse(arguments: Sequence[str]) -> str:
    """The scheme asked for. Ends the process with what is wrong where the arguments are."""
    parser = argparse.ArgumentParser(prog="python -m mailbox_d.ctl.password_hash", description="Hash a password.")
    parser.add_argument("--scheme", choices=NEW_SCHEMES, default=NEW_SCHEMES[0], help="how (default: %(default)s)")
    return str(parser.parse_args(arguments).scheme)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
