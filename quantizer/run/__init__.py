"""A run: block after block, resumable, written whole or not at all."""
