"""Offline 4-bit compression of language and vision-language models."""
