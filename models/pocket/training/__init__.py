"""What draws, trains and releases the pocket model; what only runs it never imports this."""
