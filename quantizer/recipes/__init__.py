"""Which layers are quantized how, as data."""
