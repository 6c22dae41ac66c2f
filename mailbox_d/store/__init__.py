"""Where mail is kept: Maildirs that Dovecot, mutt and a human can read, and an in-memory twin.

Rules of the room: blocking code without Twisted, behind the ports of `ports.py`; safe for several threads and several
processes; whatever changes a folder happens under `dovecot-uidlist.lock`; nothing authoritative lives only in memory;
nothing here knows how a protocol writes things (`store` never imports `wire`).
"""
