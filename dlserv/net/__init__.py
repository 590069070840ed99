"""Bytes from a server: a URL and an offset go in, an answer with a body comes out.

Knows no file of ours and no task.
"""
