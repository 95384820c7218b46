"""One file a skill: its wordings, how it finds an answer, how it says it."""
