"""FETCH (RFC 3501 section 6.4.5): what is told of messages, as it is asked for, remembered and worked out ahead.

Rules of the room: an answer that was worked out is remembered under what was asked; what comes from a child process or
a short look at a message is used only where it is what the full way would say; a message is sent piece by piece.
"""
