"""One file a command of the command line; they alone wire devices and models to a session."""
