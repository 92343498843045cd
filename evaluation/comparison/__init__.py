"""Runs side by side: ranking, paired differences, what each run cost."""
