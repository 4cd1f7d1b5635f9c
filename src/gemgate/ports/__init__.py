"""What the application asks of the world: one interface a file, with the values that cross it.

An import names its port; nothing is exported from here.
"""
