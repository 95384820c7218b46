"""What a quantized folder holds, and what in it is suspicious."""
