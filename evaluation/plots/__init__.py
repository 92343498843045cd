"""Plots of runs, each a matplotlib figure."""
