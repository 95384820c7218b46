"""Making one model small from its licence to the assistant's settings; `scripts/quantize` is it.

The assistant and the quantizer never import each other. Here they meet: what may go online or
takes much memory is done by their commands, as processes of their own.
"""
