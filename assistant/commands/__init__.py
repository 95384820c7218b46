"""One file a command of the command line; they alone use the wiring."""
