"""What became of each message, written down as it happens, so that `mailboxctl explain` can tell its story.

Rules of the room: an event is a frozen value and one line of JSON in a plain file; files are bounded in size and age,
and go whole; whoever tells an event waits for no disk, and mail never waits for, nor fails with, what is told of it.
"""
