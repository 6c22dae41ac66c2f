"""The grammar of the control socket, without sockets: lines of JSON, one for a request, many for its answers.

Whoever connects hears `hello` first. A request is an object that says its subject (`subjects`); its answers are objects
with `answer`, the kind of answer, the last one `end`. Lines are cut by POP3's framer, which has the same lines within
the same bounds.
"""
