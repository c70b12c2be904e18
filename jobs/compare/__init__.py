"""The controlled experiment: the same content with and without structure, and what it tells."""
