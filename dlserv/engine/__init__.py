"""One download: turns answers into one whole, verified file under its final name.

Knows no database, no queue and no API; a Download runs in a test with a 20-line observer.
"""
