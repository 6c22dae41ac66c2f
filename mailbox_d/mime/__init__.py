"""Reading messages: incremental, linear, bounded.

Rules of the room: fed chunk by chunk, what is kept has a limit, and what lies beyond a limit is told as such and never
an exception; the work is linear in the octets, whoever wrote them.
"""
