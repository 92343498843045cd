"""Mask R-CNN: where each defect is, of which class, and its outline."""
