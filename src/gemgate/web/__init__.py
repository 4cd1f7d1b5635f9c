"""The HTTP door: speaks every dialect, decides nothing."""
