"""Which images belong together, and which split they go to."""
