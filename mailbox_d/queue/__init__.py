"""Mail for other sites, kept until it is delivered or given back: the spool, the schedule, the reports.

Rules of the room: a message in the queue is a plain file, durable before its sender hears 250, and what became of each
recipient is appended to a file beside it, durable before anything counts on it. The schedule says what is due; it is a
cache, made anew from the files. Nobody here knows sockets or the reactor: the code blocks, and runs in a lane.
"""
