"""Addresses as people may see them: without what opens a door.

A password stands after the name of a user, in a query such as ``?password=``, or is a long part of a path, as in the
addresses of chat services. People write it as it is, with ``/``, ``#`` or ``@`` in it, which no parser of addresses
reads as they mean it; so an address is taken apart here from its end, and what is unclear is hidden.
"""

import re

HIDDEN = "***"
# Names in a query whose values tell nothing.
_PLAIN = frozenset(
    """application_name charset client_encoding connect_timeout db dbname health_check_interval host keepalives
    max_connections options port protocol sslmode ssl_cert_reqs ssl_check_hostname sslcert sslrootcert
    socket_connect_timeout socket_timeout target_session_attrs timeout user username""".split()  # noqa: SIM905
)
# Characters of a part of a path that is a word, and no key.
_LONGEST_WORD = 19
_AFTER_HOST = re.compile(r"[/?#]")


def shown(url: str) -> str:
    """The address with ``***`` in place of each secret; nothing for nothing."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return HIDDEN if url else ""
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    path, mark, query = place.partition("?")
    if scheme in ("http", "https"):
        path = "/".join(HIDDEN if _is_key(part) else part for part in path.split("/"))
    hidden = f"{user}:{HIDDEN}" if colon else user
    return f"{scheme}://{hidden}{at}{path}{mark}{'&'.join(map(_pair, query.split('&'))) if query else ''}"


def server_of(url: str) -> str:
    """The host of an address, and its port if it names one."""
    return _AFTER_HOST.split(url.partition("://")[2].rpartition("@")[2])[0]


def _pair(text: str) -> str:
    name, equals, _ = text.partition("=")
    return text if name in _PLAIN else f"{name}{equals}{HIDDEN}" if equals else HIDDEN


def _is_key(part: str) -> bool:
    """Whether it is long and mixed, as what a program made up, and no name of a host."""
    return len(part) > _LONGEST_WORD and "." not in part and any(map(str.isdigit, part)) and any(map(str.isalpha, part))
