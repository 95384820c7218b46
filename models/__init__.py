"""Model definitions and the int4 runtime that the quantizer and the assistant share."""
