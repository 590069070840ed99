"""Tasks: their states, which of them run, and what the end of an attempt leads to.

Knows no HTTP and no API.
"""
