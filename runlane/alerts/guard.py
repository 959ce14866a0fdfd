"""Which addresses alerts may be sent to: those that the whole internet knows, and networks that somebody allowed.

Otherwise whoever can make a rule could have this server talk to what only it can reach: a router, a database, the
metadata of a cloud. ``webhooks`` asks here about the one address that it then connects to; for all other services
``courier`` asks about every connection as it is made.
"""

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# what is_global takes for public, though it may lead to any address inside
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in (
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "::/96",  # IPv4-compatible, RFC 4291
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
        "64:ff9b::/96",  # NAT64, RFC 6052
        "64:ff9b:1::/48",  # NAT64 of one network, RFC 8215
        "2001::/32",  # Teredo, RFC 4380
        "2002::/16",  # 6to4, RFC 3056
        "fec0::/10",  # site-local, RFC 3879
    )
]


def is_public(address: Address) -> bool:
    """Whether ``address`` is one that the whole internet knows, and leads to no other."""
    return address.is_global and not address.is_multicast and not _is_in(address, _NOT_PUBLIC)


def refusal(host: str, address: Address, allowed: Sequence[Network]) -> str:
    """Why ``host``, which leads to ``address``, may not be sent to; empty when it may.

    A predicate without its subject, so that it reads after the host as well as beside a field of a form.
    """
    if is_public(address) or _is_in(address, allowed):
        return ""
    what = "is" if host == str(address) else f"leads to {address},"
    return f"{what} an address that is not public; RUNLANE_WEBHOOKS_ALLOW can name its network"


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)  # one of another version is in none
