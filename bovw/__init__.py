"""Bag of visual words: SIFT vocabulary and SVM."""
