"""Models on the disk: pulled by command, checked, listed. The only part that goes online."""
