"""From a camera, stream, video file or folder to checked frames."""
