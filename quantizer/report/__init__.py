"""What a run did, to be read and for programs."""
