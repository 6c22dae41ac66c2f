"""How connections to other servers must be secured: the rules, where these have their answers, and the handshake."""
