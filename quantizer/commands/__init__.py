"""One file for each command of ``quantizer``: its options, and what it prints."""
