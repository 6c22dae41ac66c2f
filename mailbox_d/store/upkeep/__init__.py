"""What an operator has done to a store: it is verified, repaired, counted, taken over from Dovecot and handed back.

Rules of the room: the work is a generator of `steps.py`'s values, which holds a folder's lock for moments and never
while it waits for whoever takes a value; nothing is removed that a user could miss, and no UID changes that can be
kept; verifying changes nothing. What is wrong is a value (`findings.py`), never an exception: one account that cannot
be read keeps nobody from the others. The same work is done by the daemon and, while none runs, by `mailboxctl` itself.

`accounts` finds Maildirs; `inspection` takes what a folder holds in one moment; `folder_checks`, `list_checks`,
`account_checks`, `quota_check`, `caches` and `contents` say what is wrong with it; `repair` mends; `figures`,
`adoption` and `release` do as they are called; `reindexing` forgets the index and makes it again.
"""
