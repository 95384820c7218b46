"""Offline assistant that answers spoken questions about what the camera sees."""

from models.offline import stay_offline

# At import, against the house rule: libraries read these switches when they are imported.
stay_offline()
