"""From a picture to what is in it: quality, lines and their layout, codes, colours, light."""
