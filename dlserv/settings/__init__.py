"""Settings and task options as tables, and the ways to fill them: a file, the environment, a form.

Knows no network, no state on disk besides the configuration file, and no task.
"""
