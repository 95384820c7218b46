"""From answers to sound: what is spoken, sentence by sentence, in which order."""
