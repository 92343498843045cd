"""Predictions -> numbers -> report."""
