"""The Google accounts of this process: signed in, refreshed, leased to calls, rested by their circuit breakers."""
