"""Evaluation: from predictions to metrics with confidence intervals, and plots."""
