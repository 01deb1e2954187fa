"""Where a message may go: checked addresses only. A name is judged by what it resolves to, not by how it looks.

https, a short list of ports, no redirects, and the connection is made to the very address that was checked. On this
machine, for trying it out (demo mode), http and the loopback address too.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from budget_system.errors import Refused

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.?")
VISIBLE = re.compile(r"[\x21-\x7e]+")
LONGEST = 1_000

UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
# What Python's `is_global` lets through on some of its versions, or what carries another address inside.
NOT_TO_BE_CALLED = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "64:ff9b::/96",
        "64:ff9b:1::/48", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
]  # fmt: skip


class Policy(NamedTuple):
    """Which addresses this system calls."""

    ports: frozenset[int]
    loopback: bool = False
    """http and the loopback address on any port as well: for trying it out."""


class Target(NamedTuple):
    """A checked address in its parts."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


class Forbidden(Refused):
    """Nothing is sent there."""

    code = "forbidden_address"


Resolve = Callable[[str, int], Iterable[str]]


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name. Raises OSError if it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def parse(url: str, policy: Policy) -> Target:
    """The parts of an address that may be called as far as it can be seen without resolving. Raises Forbidden."""
    if len(url) > LONGEST:
        raise _forbidden(f"The address is {len(url)} characters long; the limit is {LONGEST}.")
    if not VISIBLE.fullmatch(url) or "\\" in url:
        raise _forbidden("Write the address in ASCII without spaces; names in other scripts in their xn-- form.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _forbidden("That is not an address. Write one such as https://example.com/hooks.") from None
    if parts.scheme not in ({"https", "http"} if policy.loopback else {"https"}):
        raise _forbidden("The address must begin with https://.")
    if parts.username is not None or parts.password is not None:
        raise _forbidden("Leave user and password out of the address; messages are known by their signature.")
    if parts.fragment:
        raise _forbidden("Leave out what follows the #: it is not sent.")
    host = parts.hostname or ""
    if not (_is_v6(host) if "[" in parts.netloc else HOST.fullmatch(host)):
        raise _forbidden("The address has no host name that can be resolved.")
    port = port if port is not None else (443 if parts.scheme == "https" else 80)
    if port not in policy.ports and not policy.loopback:
        ports = ", ".join(map(str, sorted(policy.ports)))
        raise _forbidden(f"Port {port} is not among those that are called from here: {ports}.")
    path = parts.path or "/"
    return Target(parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path)


def checked(target: Target, policy: Policy, find: Resolve = resolve) -> IPAddress:
    """The address to connect to. All that the name resolves to must be allowed. Raises Forbidden; fails closed."""
    try:
        found = list(find(target.host, target.port))
        addresses = [ipaddress.ip_address(text) for text in found]
    except (OSError, ValueError) as error:
        raise _forbidden(f"The name {target.host} cannot be resolved.") from error
    if not addresses:
        raise _forbidden(f"The name {target.host} has no address.")
    for address in addresses:
        if not _may_be_called(address, target, policy):
            raise _forbidden(f"{target.host} leads to {address}, which is not a public address. Nothing is sent there.")
    return addresses[0]


def _may_be_called(address: IPAddress, target: Target, policy: Policy) -> bool:
    if policy.loopback and address.is_loopback:
        return True
    # Beyond this machine demo mode has no more rights than production.
    return target.scheme == "https" and target.port in policy.ports and is_public(address)


def looked_up(url: str, policy: Policy, find: Resolve = resolve) -> Resolve:
    """Ask for this address's name now; what is given answers from that. So no transaction waits for a name server."""
    known: dict[tuple[str, int], list[str]] = {}
    try:
        target = parse(url, policy)
        known[target.host, target.port] = list(find(target.host, target.port))
    except (Forbidden, OSError, ValueError):
        pass  # whoever checks the address says what is wrong with it

    def answer(host: str, port: int) -> list[str]:
        if (host, port) not in known:
            raise OSError("It was not found when it was looked up.")
        return known[host, port]

    return answer


def is_public(address: IPAddress) -> bool:
    """Whether it is global unicast, and stands for itself: no multicast, no address in another's clothes."""
    if address.version == 6 and (address not in UNICAST_V6 or address.scope_id is not None):
        return False
    if any(address.version == network.version and address in network for network in NOT_TO_BE_CALLED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _is_v6(host: str) -> bool:
    try:
        return ipaddress.IPv6Address(host).scope_id is None
    except ValueError:
        return False


def _forbidden(message: str) -> Forbidden:
    return Forbidden(message, field="url")
