"""Augmented copies of train images, masks in step."""
