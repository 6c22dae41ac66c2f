"""What was once worked out about messages, so that it need not be worked out again: one SQLite file for each account,
and one of the text that SEARCH looks through.

Rules of the room: a cache, and nothing else. Whoever deletes, truncates, damages or replaces the file loses time alone:
each row carries a checksum over what it says and of whom, a file that cannot be read is begun anew, and a disk that is
full or will not be written makes the index silent. Nothing raised here ever leaves the room; an answer that is not
there is simply not there. No part of the file is mapped into memory: a file that becomes shorter would kill the daemon.
Blocking code, for lanes; safe for several threads and processes.
"""
