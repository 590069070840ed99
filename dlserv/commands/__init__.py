"""The command line but for the daemon itself: clients of a daemon that runs, and `get`.

Knows the terminal, standard output and the environment; the daemon knows nothing of it.
"""
