"""Setting right what keeps others from reading a model folder."""
