"""Redness over the frames of a clip: the smallest model of films."""
