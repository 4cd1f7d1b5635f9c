"""Decisions as tables and small machines: given `now` and dice, they say what to do; others do it."""
