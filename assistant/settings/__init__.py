"""Settings with their comments, the file that keeps them, and the folders of the program."""
