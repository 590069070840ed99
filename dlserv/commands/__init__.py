"""The command line but for the daemon itself; knows the terminal, standard output and the environment."""
