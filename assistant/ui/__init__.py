"""Front ends: they render events and send orders, nothing else."""
