"""Tells the operator when an account or the wire needs them."""
