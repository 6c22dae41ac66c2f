"""Tokens of an issuer (RFC 6750), and whose they are.

`claims` says what must be true of a token, `signatures` and `keys` whether its issuer made it (RFC 7519); `signed` puts
them together. `introspection` asks the issuer instead (RFC 7662). Whatever is wrong with a token is `TokenRefused`;
that an issuer cannot be asked is `AuthenticationUnavailable`, and says nothing of the token. Nothing here opens a
connection: what fetches is given.
"""
