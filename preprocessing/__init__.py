"""Disk -> manifest -> batches: importing, splitting, augmenting and loading images."""
