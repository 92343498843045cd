"""Combiners and meta-learners over prediction tables."""
