"""A Gaussian per pixel with anomaly maps: the smallest one-class detector."""
