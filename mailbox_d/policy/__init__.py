"""What may be sent by whom to whom: small steps over one transaction.

Rules of the room: a step is given a `Transaction` and what it must look up, and returns a `Refusal` or None; it knows
no reply code and touches no socket, clock or disk of its own; a transaction is thrown away whole after its message.
"""
