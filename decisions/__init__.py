"""From numbers to decisions: accept, reject or inspect, with stated error rates."""
