"""One-class detectors: trained on good parts alone, they find what was never seen."""
