"""One conversation as a state machine. It knows protocols: no driver, model or front end."""
