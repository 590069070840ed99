"""Get bytes from a server: a URL and an offset in, an answer with a body out.

Knows neither our files nor tasks.
"""
