"""A client of a running daemon over the REST interface, and how it finds the daemon that runs here.

Knows nothing of the daemon's insides: what both must agree on is in contract.py.
"""
