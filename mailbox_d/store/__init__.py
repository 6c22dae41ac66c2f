"""Where mail is kept: Maildirs that Dovecot, mutt and a human can read, and an in-memory twin.

Rules of the room: blocking code (of Twisted its logger alone), behind the ports of `ports.py`; safe for several
threads and several processes; whatever changes a folder happens under `dovecot-uidlist.lock`, only deliveries into
`new` need none; every file operation goes through the `FileSystem` of `files.py`; what lies on disk is read, never
trusted; nothing authoritative lives only in memory; nothing here knows how a protocol writes things (`store` never
imports `wire`).

From the outside in: `maildir_store` → `maildir_account` → `maildir_mailbox` → `folder_view` (what is known of a
folder and how it catches up with the disk) → `listing`, `uidlist_file`, `keywords`, `marks`. Messages come in by
`delivery` (no UID, no lock) and `append` (with UID) over `draft` and `spool`, go from folder to folder by `copying`
and `moving`, and go out by `message_file`. `changes` tells sessions what happened, and wakes those that wait. What an
account holds is kept by `ledger` in `maildirsize`, for all that put something in or take it out. `memory` is the twin.
`upkeep` is what operators have done to all of it.
"""
