"""dlserv: a download daemon in one file of standard-library Python.

    from dlserv import Daemon

    with Daemon({"general": {"download_dir": "/srv", "db_path": "/srv/.dlserv.db"}}) as daemon:
        tid = daemon.add("https://example.org/file.iso")
        daemon.wait(tid)
"""

if hasattr(__loader__, "archive"):      # the .pyz, or another zip file
    from . import zipped
    zipped.adopt(__loader__)

from .version import __version__  # noqa: E402

__all__ = ["Client", "Daemon", "Server", "__version__"]

TYPE_CHECKING = False       # type checkers take it for typing's, which costs an import
if TYPE_CHECKING:
    from .api.server import Server
    from .client.rest import Client
    from .daemon import Daemon


def __getattr__(name: str) -> object:
    """Return a public class, loaded when it is first asked for (PEP 562)."""
    if name == "Client":
        from .client.rest import Client
        return Client
    if name == "Daemon":
        from .daemon import Daemon
        return Daemon
    if name == "Server":
        from .api.server import Server
        return Server
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
