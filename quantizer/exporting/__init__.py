"""Model folders made into GGUF files, which llama.cpp and everything built on it load.

What reads GGUF lives in `models.files.gguf` and `quantizer.importing`; nothing here reads one,
but to check what was written.
"""
