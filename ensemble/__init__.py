"""Ensembles: combiners and meta-learners that use prediction tables."""
