"""Live inspection of a camera: capture, decision, alarm and notification."""

PORT = 8080  # of the page of a camera
