"""Reading and writing weights: model folders, indexes, quantized formats, llama2.c."""
