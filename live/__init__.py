"""A camera watched live: capture, verdict, alarm and where it is told."""

PORT = 8080  # of the page of a camera
