"""Addresses as they may be shown to people: without their secrets.

A password is after the name of a user, in a query such as ``?password=``, or a long part of a path, as in the addresses
of chat services. People write it unescaped, with ``/``, ``#`` or ``@`` in it, which no URL parser reads as they mean
it; so an address is split here from its end, and what is unclear is hidden. In an address of a service that alerts go
to, such as ``tgram://``, any part may be the key: all is hidden but a host, where there is one.
"""

import re
from urllib.parse import unquote

HIDDEN = "***"
# schemes whose parts are known, without what follows a plus
_UNDERSTOOD = frozenset("http https mariadb mysql postgres postgresql redis rediss sqlite unix valkey".split())  # noqa: SIM905
# services whose addresses begin with the host that is sent to, and nothing else
_HOSTED = frozenset(
    """amqp amqps apprise apprises form forms gotify gotifys hassio hassios irc ircs json jsons mailto mailtos mmost
    mmosts nctalk nctalks rocket rockets rsyslog xml xmls""".split()  # noqa: SIM905
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]+)?")
_MIN_SECRET = 4
# Names in a query whose values are not secret.
_PLAIN = frozenset(
    """application_name charset client_encoding connect_timeout db dbname health_check_interval host keepalives
    max_connections options port protocol sslmode ssl_cert_reqs ssl_check_hostname sslcert sslrootcert
    socket_connect_timeout socket_timeout target_session_attrs timeout user username""".split()  # noqa: SIM905
)
# A part of a path that is longer than this may be a key.
_MAX_WORD = 19
_AFTER_HOST = re.compile(r"[/?#]")


def shown(url: str) -> str:
    """The address with ``***`` in place of each secret; empty for an empty one."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return HIDDEN if url else ""
    if scheme.lower().partition("+")[0] not in _UNDERSTOOD:
        return f"{scheme}://{_service(scheme.lower(), rest)}"
    login, at, location = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    path, separator, query = location.partition("?")
    if scheme.lower() in ("http", "https"):
        path = "/".join(HIDDEN if _is_key(part) else part for part in path.split("/"))
    hidden = f"{user}:{HIDDEN}" if colon else user
    return f"{scheme}://{hidden}{at}{path}{separator}{'&'.join(map(_pair, query.split('&'))) if query else ''}"


def server_of(url: str) -> str:
    """The host of an address, and its port if it names one."""
    return _AFTER_HOST.split(url.partition("://")[2].rpartition("@")[2])[0]


def without_secrets(text: str, url: str) -> str:
    """The text with ``***`` in place of each part of ``url`` that ``shown`` hides."""
    visible = shown(url)
    parts = {part for part in re.split(r"[/?#&=@:]+", url) if len(part) >= _MIN_SECRET and part not in visible}
    for part in sorted(parts | {unquote(part) for part in parts}, key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    return text


def _service(scheme: str, rest: str) -> str:
    """What follows ``scheme://`` in the address of a service that alerts go to."""
    authority = _AFTER_HOST.split(rest)[0]
    _, at, host = authority.rpartition("@")
    more = rest[len(authority) :]
    in_doubt = "@" in more if not at else "@" in more.partition("?")[0]  # a password with a slash in it
    if scheme not in _HOSTED or in_doubt or not _HOST.fullmatch(host):
        return HIDDEN
    return f"{HIDDEN + at if at else ''}{host}{'/' + HIDDEN if more.strip('/') else more}"


def _pair(text: str) -> str:
    name, equals, _ = text.partition("=")
    return text if name in _PLAIN else f"{name}{equals}{HIDDEN}" if equals else HIDDEN


def _is_key(part: str) -> bool:
    """Whether it is long and mixed, as generated keys are, and not the name of a host."""
    return len(part) > _MAX_WORD and "." not in part and any(map(str.isdigit, part)) and any(map(str.isalpha, part))
