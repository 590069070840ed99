"""The version; imports nothing, so that every module can import it."""

__version__ = "1.0"
