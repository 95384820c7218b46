"""Offline 4-bit compression of language and vision-language models."""

from models.offline import stay_offline

# At import, against the house rule: libraries read these switches when they are imported.
stay_offline()
