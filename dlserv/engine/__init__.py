"""Turn answers into one whole, verified file under its final name.

Knows no database, queue or API; a Download runs in a test with a 20-line observer.
"""
