"""Which servers a message goes to: by MX, by configuration, and to which addresses never."""
