"""Several methods on the same statistics, side by side."""
