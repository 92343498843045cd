"""What can be chosen of a split; known without importing anything."""

GROUPINGS = ("near_duplicates", "pattern", "blocks", "chronological", "none")
BLOCK = 10  # consecutive frames
SHARES = (0.70, 0.15, 0.15)
PROTOCOLS = ("grouped", "official")
