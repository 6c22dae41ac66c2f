"""Where messages that are taken go: into mailboxes here, into the queue, and from whom."""
