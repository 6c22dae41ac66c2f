"""The IMAP server (RFC 3501): between the grammar of `wire.imap` and the mailboxes of `store`.

Rules of the room: a command is a coroutine from a session and the command's value to a `Completion`, listed in one
table with the states in which it may stand; what goes wrong becomes a completion in one table; the store is reached
through a lane alone; no reply is built whole when a message's size or a mailbox's decides how long it gets.
"""
