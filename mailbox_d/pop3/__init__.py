"""The POP3 server (RFC 1939): between the grammar of `wire.pop3` and a user's INBOX.

Rules of the room: a command is a coroutine from a session and the command's value to the octets of its answer, listed
in one table with the states in which it may stand; what goes wrong becomes a response in one table; the store is
reached through a lane alone; no answer is built whole when a message's size or the maildrop's decides how long it gets;
nothing leaves the maildrop but by QUIT.
"""
