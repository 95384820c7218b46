"""One file a skill: its wordings, how it finds an answer, how it says it.

A file that holds `SKILL` is a skill (`skill.py` says what that is), and `router.py` finds it. The
others join them: the answerer and the conversation, what they share, what any answer may say. No
device, no session, no speech engine.
"""
