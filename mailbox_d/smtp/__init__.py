"""SMTP, submission and LMTP servers (RFC 5321, RFC 6409, RFC 2033): shells and commands.

Rules of the room: a verb is a coroutine from a command to an `Answer`, listed in one table with the stages in which it
may stand; it changes the session and nothing else; what goes wrong becomes a reply in one table; nothing of a message
or of a refusal outlives its transaction.
"""
