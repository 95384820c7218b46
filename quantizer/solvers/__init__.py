"""One layer: pure functions on tensors, no files, no devices of their own."""
