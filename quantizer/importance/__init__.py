"""How much each calibration token counts, by the gradients of the model's own loss."""
