"""The embedded data set: rendered bottle mouths with defects."""
