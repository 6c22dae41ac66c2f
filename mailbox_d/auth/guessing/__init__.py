"""No guessing of passwords: failed logins are counted by network and by user, and who has many must wait between two.

Rules of the room: nothing here waits, reads or writes, and clocks are injected; what is remembered is bounded, whatever
strangers do; a user name counts alike whether there is such a user or not; who must wait is told nothing of it.
"""
