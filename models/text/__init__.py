"""Tokenizers that need no hub."""
