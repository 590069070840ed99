"""Turn answers into one whole, verified file; a Download runs in a test with a 20-line observer."""
