"""The gateway of a fleet: every route of every dialect, passed on to the node that is best for it.

routes: what a path means and who may call it. reading: what a call continues, and what it counts for.
body: a request kept for one replay. hop: the way to a node and back. relay: the story. nodes: the fleet's own routes.
"""
