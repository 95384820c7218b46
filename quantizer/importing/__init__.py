"""Models in other forms made into model folders: GGUF files, alone or in a Python package."""
