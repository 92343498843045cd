"""Grouping of images that belong together, and assignment of groups to splits."""
