"""From a camera, stream, film or folder to frames that can be trusted."""
