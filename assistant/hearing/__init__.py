"""From sound to a transcript: recognizers, grammar, end of speech. Nothing here answers."""
