"""Opening the database that the settings name."""

import logging
import os

from ..errors import StoreBroken
from ..fs import file_system
from ..state.store import FACT, Store

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs")

log = logging.getLogger(__name__)


def open_store(general):
    """Return the Store that config.general names. Raise StoreBroken, which names the setting."""
    try:
        return Store(general.db_path, general.db_backend)
    except StoreBroken as error:
        raise StoreBroken(f"general.db_path: {error}") from error


def open_registry(general, registry, download_dir):
    """Open a daemon's database, DownloadDir and TaskRegistry.

    Return the tasks whose deletion a crash interrupted. Raise StoreBroken, MissingModule or Unwritable.
    """
    store = open_store(general)
    log.info("database %s (%s), downloads to %s", store.path, store.backend,
             os.path.abspath(general.download_dir))
    if file_system(store.path) in NETWORK_FILE_SYSTEMS:
        log.warning("the database is on a network file system, which may lose it; "
                    "name a local one with general.db_path")
    try:
        fact = download_dir.open(store.fact("place"))
        interrupted = registry.open(store)
    except BaseException:
        store.close()
        raise
    if fact is not None:
        store.write({FACT + "place": fact})
    return interrupted
