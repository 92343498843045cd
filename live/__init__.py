"""A camera watched live: capture, verdict, alarm and where it is told."""
