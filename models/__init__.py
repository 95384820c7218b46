"""Model definitions and the int4 runtime that the quantizer and the assistant share."""

from models.offline import stay_offline

# At import, against the house rule: libraries read these switches when they are imported.
stay_offline()
