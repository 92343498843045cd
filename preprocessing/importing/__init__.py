"""Import: from a user's folder to checked images with labels, masks and instances."""
