"""Comparison of runs: ranking, paired differences, training time and memory."""
