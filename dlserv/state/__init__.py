"""Plain records that survive kill -9 and power cuts, as a shelf over SQLite or a journal.

Knows nothing of what a record means.
"""
