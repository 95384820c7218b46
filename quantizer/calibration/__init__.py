"""Texts and pictures to the sequences that a model is calibrated with."""
