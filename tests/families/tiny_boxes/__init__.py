"""Red spots as instances: the smallest model that finds single defects."""
