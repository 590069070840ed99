"""The client of the REST interface, and how it finds the daemon that runs here.

Knows nothing of the daemon's insides.
"""
