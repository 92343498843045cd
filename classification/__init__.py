"""Transfer learning: a classifier on a pretrained backbone, and a small CNN."""
