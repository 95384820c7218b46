"""What is there, what is wrong and what to do: one check a function; nothing is changed."""
