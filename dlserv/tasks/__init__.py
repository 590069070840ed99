"""Tasks: their states, who runs when, and what an end leads to. Knows no HTTP and no API."""
