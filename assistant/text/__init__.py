"""Pure functions on recognized lines: values, places, passages. No picture, no model."""
