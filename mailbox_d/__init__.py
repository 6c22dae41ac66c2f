"""mailboxd: the mail server in one Twisted process.

The floors, from the ground up; an import may only go down (`tests/test_layers.py` proves it):

    6  twisted.plugins, tap, ctl
    5  app, site, services, realms, logins, outgoing, limits, control
    4  smtp, imap, pop3             independent of each other
    3  net, relay                   with 4 and 5 the only floors that touch the reactor
    2  policy, queue, auth, record  async def, lookups injected
    1  wire, mime, store, config
    0  errors, address, mutf7, printable, seldom

The rules that hold everywhere are in `docs/architecture.md`.
"""

__version__ = "0.1.0"
