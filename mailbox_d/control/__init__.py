"""What an operator asks for, done by the daemon over its control socket, or by `mailboxctl` itself where none runs.

Rules of the room: whoever asks is known by the kernel's word alone (`session`); a request becomes work on the store
(`jobs`), on the queue (`queue_jobs`) or on failed logins (`login_jobs`), which `driver` carries on in a lane, a turn at
a time, with child processes for what burns Python; what comes of it is told as it comes (`telling`), and no faster than
the other end reads. A job ends with whoever asked for it, and a fault of it is told and logged and ends nothing else.
"""
