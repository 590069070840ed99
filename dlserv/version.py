"""The version, in a leaf that every module may import."""

__version__ = "1.0"
