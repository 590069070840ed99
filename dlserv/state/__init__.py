"""Plain records that survive kill -9 and power cuts, as a shelf over SQLite or a journal.

Does not know what a record means.
"""
