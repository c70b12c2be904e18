"""From raw text to a finished output."""
