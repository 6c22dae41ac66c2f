"""Reading messages: incremental, linear, bounded.

Rules of the room: fed chunk by chunk, what is kept has a limit, and what lies beyond a limit is told as such and never
an exception; the work is linear in the octets, whoever wrote them. Nothing recurses into a message.

What decides about a sender is read strictly (`header`, `addresses`); what is shown to its reader is read leniently
(`scanner`, which makes the values of `structure`, and `decode`).
"""
