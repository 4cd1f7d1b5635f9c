"""Several nodes behind one address: what a node tells, how a gateway chooses, where a call's beginning lies."""
