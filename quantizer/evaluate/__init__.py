"""How good a model is: perplexity, sentiment, pictures; intervals, paired comparison."""
