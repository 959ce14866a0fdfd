"""The program that hands one message to one service, through apprise; ``couriers`` starts it, once a message.

A process of its own, because the plugins of apprise call ``requests.post``, ``smtplib`` and sockets directly: there is
no session or transport to hand them that could be guarded. Here an audit hook of Python (PEP 578) stands before all
that the process does, whichever plugin, library or thread does it, and what hangs can be ended.

What the guard covers: every address that a socket of Python connects or sends to, at the moment it does, also after
redirects and when a name is resolved again; files, of which only those of the installed libraries are read and none is
written; and programs, of which none is started. What it does not: resolving names, and code in C that opens sockets by
itself. No plugin that is let through has such code; those that show messages on this machine (``HERE``) have, and are
refused by their names. It protects from malicious addresses, not from malicious plugins.
"""

import contextlib
import ipaddress
import json
import logging
import mimetypes
import os
import resource
import sys
from collections.abc import Sequence
from typing import Any

from runlane.alerts.guard import Network, refusal

# services that show messages on the machine itself, where nobody reads them, past any socket of Python
HERE = frozenset({"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
ZONES = "/usr/share/zoneinfo"
# of memory, for a receiver whose answer never ends
MAX_BYTES = 1 << 30
_SENDS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_STARTS = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile", "pty.")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Refused(PermissionError):
    """The guard refuses it. To libraries it is a connection or a file that failed."""


class Rehearsed(ConnectionAbortedError):
    """The guard allows it, and this is only a rehearsal."""


class Guard:
    """An audit hook that lets the process do no more than send to where it may.

    ``rehearsal``: nothing is sent even there. ``readable``: folders whose files may be read.
    """

    def __init__(
        self, allowed: Sequence[Network] = (), *, rehearsal: bool = False, readable: Sequence[str] = ()
    ) -> None:
        self.refusals: list[tuple[str, str]] = []
        """What was refused: who, and a sentence about it without its subject."""
        self._allowed = allowed
        self._rehearsal = rehearsal
        self._readable = tuple(os.path.join(os.path.realpath(folder), "") for folder in readable)
        self._host = ""

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _SENDS:
            self._send(args[1])
        elif event == "socket.getaddrinfo":
            self._host = str(args[0] or "")
        elif event == "open":
            self._open(*args)
        elif event.startswith(_STARTS):
            self._refuse("The service", "would start a program on this server")

    def _send(self, place: Any) -> None:
        if place is None:  # sendmsg over what is connected already
            return
        try:
            if not isinstance(place, tuple) or not isinstance(place[0], str):
                raise ValueError("no address of the internet, such as the path of a socket")
            address = ipaddress.ip_address(place[0])
        except ValueError:  # a name would be resolved a second time, after it was checked
            self._refuse("The service", "sends to what is no address of the internet, and cannot be checked")
        host = self._host or str(address)
        if against := refusal(host, address, self._allowed):
            self._refuse(host, against)
        if self._rehearsal:
            raise Rehearsed(f"{host} may be sent to")

    def _open(self, path: Any, mode: Any, flags: int) -> None:
        if isinstance(path, int) or path == os.devnull:
            return
        name = os.fsdecode(path)
        writes = flags & _WRITES or set(str(mode or "")) & set("wax+")
        if writes or not os.path.realpath(name).startswith(self._readable):
            self._refuse("The service", f"would {'write' if writes else 'read'} the file {name} of this server")

    def _refuse(self, who: str, against: str) -> None:
        self.refusals.append((who, against))
        raise Refused(f"{who} {against}")


def carry(task: dict[str, Any]) -> dict[str, Any]:
    """Do one task; the reply that ``couriers`` reads. The guard is in place in this process from then on.

    The reply has ``arrived``; else ``who`` and ``trouble``, a sentence in two parts, and ``final``: no later try helps.
    """
    import apprise

    plugins = apprise.NotificationManager()  # type: ignore[no-untyped-call]
    scheme = task["url"].partition("://")[0].lower()
    plugin: Any = None
    if scheme in plugins:
        plugin = plugins[scheme]
    if against := _unfit(scheme, plugin):
        return _failed("The address", against, final=True)

    logged = _LastLogged()
    logging.getLogger("apprise").addHandler(logged)
    allowed = [ipaddress.ip_network(network) for network in task["allowed"]]
    libraries = [sys.prefix, sys.base_prefix, os.path.dirname(os.path.dirname(apprise.__file__)), ZONES]
    guard = Guard(allowed, rehearsal=task["rehearsal"], readable=libraries)
    mimetypes.init()  # reads files of the system
    sys.addaudithook(guard)

    asset = apprise.AppriseAsset(http_redirects=False, storage_mode="memory", pgp_autogen=False, pem_autogen=False)
    service = apprise.Apprise.instantiate(task["url"], asset=asset)
    arrived = isinstance(service, apprise.NotifyBase) and _notify(service, task, logged)
    if arrived and not task["rehearsal"]:
        return {"arrived": True}
    if guard.refusals:
        return _failed(*guard.refusals[0], final=True)
    if service is None:
        return _failed("The address", f"is not as {plugin.service_name} expects it; see {plugin.setup_url}", final=True)
    if task["rehearsal"]:
        return {"arrived": True}
    return _failed(plugin.service_name, f"did not take it: {logged.last}" if logged.last else "did not take it")


def _unfit(scheme: str, plugin: Any) -> str:
    """Why no address of this sort can be sent to; empty when one may be."""
    if plugin is None:
        return "is of no service that is known"
    if scheme in HERE:
        return f"is of {plugin.service_name}, which shows messages on this server itself, where nobody would see them"
    if not plugin.enabled:
        return f"is of {plugin.service_name}, which needs a package that is not installed on this server"
    return ""


def _notify(service: Any, task: dict[str, Any], logged: "_LastLogged") -> bool:
    service.redirects = False  # redirect=yes in an address would have them followed
    try:
        return bool(service.notify(task["body"], task["title"], notify_type=task["type"], body_format="text"))
    except OSError as exc:  # plugins catch most, not all
        logged.last = str(exc)
        return False


def _failed(who: Any, trouble: str, *, final: bool = False) -> dict[str, Any]:
    return {"arrived": False, "who": str(who), "trouble": trouble, "final": final}


class _LastLogged(logging.Handler):
    """Keeps the last that apprise logged about why something failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage().strip().rstrip(".")


def main() -> None:
    reply_to, sys.stdout = sys.stdout, sys.stderr  # a plugin that prints does not spoil the reply
    with contextlib.suppress(ValueError, OSError):  # not every system knows the limit
        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    try:
        reply = carry(json.load(sys.stdin))
    except Exception as exc:
        text = str(exc) or type(exc).__name__
        reply = _failed("The service", f"could not be sent to: {text}")
    json.dump(reply, reply_to)
    reply_to.flush()


if __name__ == "__main__":
    main()
