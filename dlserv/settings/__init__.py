"""Settings and task options as tables, and the ways to fill them: a file, the environment, a form.

Knows no network and no task; of the disk, only the configuration and token files.
"""
