"""Offline assistant that answers spoken questions about what the camera sees."""
