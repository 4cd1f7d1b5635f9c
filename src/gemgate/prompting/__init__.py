"""From a conversation to the one text the web app takes, and back. Pure functions."""
