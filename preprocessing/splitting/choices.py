"""The options of a split, which are available without heavy imports."""

GROUPINGS = ("near_duplicates", "pattern", "blocks", "chronological", "none")
BLOCK = 10  # consecutive frames
SHARES = (0.70, 0.15, 0.15)
PROTOCOLS = ("grouped", "official")
