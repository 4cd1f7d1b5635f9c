"""Who calls, and what they may: keys, page sessions, throttled guesses, callers forwarded by a fleet front."""
