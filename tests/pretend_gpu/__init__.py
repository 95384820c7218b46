"""A pretend NVIDIA card for machines without one: real values, CUDA's rules, and counts.

Tensors "on the card" say ``cuda:0`` and keep their values in host memory. Every operation passes
through one place that refuses what CUDA refuses, does what CUDA's own kernels do, and counts
launches, waits, copied and living bytes by the line of the product that caused them. It shows
whether code runs on a card and what it asks of it; it cannot show a card's speed, its rounding,
races, or a driver that does not fit.

What lives here: the device and its rules. Tests of them lie beside; what a test asks of the
product lies with the product's tests.
"""
