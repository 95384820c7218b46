"""Models as the assistant asks them: opening, streaming, what a small one may be asked."""
