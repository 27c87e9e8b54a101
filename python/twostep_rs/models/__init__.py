"""Networks and the maps they stand for: modules only, no losses, no files."""
