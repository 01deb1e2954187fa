"""Where webhooks may go: nothing inside is reached, however its address is written."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from budget_system import clock
from delivery import addresses, transport
from delivery.addresses import Forbidden, Policy, checked, is_public, parse
from delivery.transport import Call, post
from tests.figures import Figure
from tests.integration.receiver import Receiver, Reply, receiving

PRODUCTION = Policy(frozenset({443, 8443}))
DEMO = Policy(frozenset({443, 8443}), loopback=True)

# As they are typed; the port is put in where the form has none of its own.
SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001",
    "0x7f.1", "127.000.000.001", "①②⑦.0.0.1", "127。0。0。1", "localhost", "LOCALHOST", "localhost.", "0", "0.0.0.0",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]",
    "[fe80::1%25lo]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "10.0.0.1", "172.16.0.1", "192.168.0.1",
    "169.254.169.254", "[fd00:ec2::254]", "100.64.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "203.0.113.1",
    "192.88.99.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "[2001:db8::1]", "[3fff::1]",
    "user@127.0.0.1", "example.com@127.0.0.1", "127.0.0.1\\@example.com", "127.0.0.1 ", "127.0.0.1\t", "",
    "127.0.0.1%00.example.com", "exa mple.com", "example..com\r\nHost: 127.0.0.1",
]  # fmt: skip
RESOLVED_TO = [
    "127.0.0.1", "10.1.2.3", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.192",
    "224.0.0.1", "0.0.0.0", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001::1",
    "2001:db8::1", "3fff::1", "100::1", "5f00::1",
]  # fmt: skip


@pytest.fixture
def inside() -> Iterator[Receiver]:
    """Something on this machine that nobody outside should reach through us."""
    with receiving() as receiver:
        yield receiver


def call(url: str) -> Call:
    return Call(url, {"webhook-id": "x"}, b'{"type":"x"}')


@contextmanager
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """To what a connection was tried."""
    tried: list[Any] = []

    def refuse(address: Any, *args: Any, **kwargs: Any) -> Any:
        tried.append(address)
        raise OSError("not in a test")

    with monkeypatch.context() as patch:
        patch.setattr("urllib3.util.connection.create_connection", refuse)
        yield tried


@pytest.mark.need(13, 14)
def test_no_spelling_of_an_inner_address_is_called(
    inside: Receiver, monkeypatch: pytest.MonkeyPatch, figure: Figure
) -> None:
    port = inside.server.server_address[1]
    policy = Policy(frozenset({443, 8443, port}))  # so that the port is not what saves us
    urls = [f"{scheme}://{host}{tail}" for scheme in ("https", "http") for host in SPELLINGS
            for tail in (f":{port}/hook", "/")]  # fmt: skip
    urls += ["ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "//127.0.0.1/", "127.0.0.1"]

    with connections(monkeypatch) as tried:
        answers = [post(call(url), policy) for url in urls]

    figure(f"{len(SPELLINGS)} spellings in {len(urls)} addresses, connections {len(tried)}, reached {len(inside.got)}")
    assert tried == []
    assert inside.got == []
    assert {answer.status for answer in answers} == {None}
    assert all(answer.error for answer in answers)


@pytest.mark.need(14)
@pytest.mark.parametrize("address", RESOLVED_TO)
def test_a_name_is_judged_by_what_it_resolves_to(address: str) -> None:
    target = parse("https://hooks.example.com/", PRODUCTION)

    for found in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        with pytest.raises(Forbidden, match="not a public address"):
            checked(target, PRODUCTION, lambda host, port: found)  # noqa: B023


@pytest.mark.need(13)
def test_what_cannot_be_resolved_is_not_called() -> None:
    def no_answer(host: str, port: int) -> list[str]:
        raise socket.gaierror("no name server")

    target = parse("https://hooks.example.com/", PRODUCTION)

    for find in (no_answer, lambda host, port: [], lambda host, port: ["nonsense"]):
        with pytest.raises(Forbidden):
            checked(target, PRODUCTION, find)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"])
def test_public_addresses_are_called(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.need(14)
def test_a_name_that_changes_between_check_and_call_is_called_where_it_was_checked(
    inside: Receiver, monkeypatch: pytest.MonkeyPatch, figure: Figure
) -> None:
    """DNS rebinding: public for the first question, this machine for any other."""
    asked: list[str] = []

    def rebinding(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with connections(monkeypatch) as tried:
        answer = post(call("https://rebind.example.com/hook"), PRODUCTION)

    figure(f"rebinding: asked once, connected to {tried[0][0]}, reached {len(inside.got)}")
    assert tried == [("93.184.216.34", 443)]
    assert asked == ["rebind.example.com"]
    assert answer.status is None


@pytest.mark.need(13)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(inside: Receiver, status: int, figure: Figure) -> None:
    with receiving() as outside:
        outside.answer = lambda got: Reply(status, {"Location": inside.url})

        answer = post(call(outside.url), DEMO)

    figure(f"{status} to an inner address: followed {len(inside.got)} times")
    assert answer.status == status
    assert not answer.arrived
    assert inside.got == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "must begin with https"),
        ("https://example.com:22/", "Port 22"),
        ("https://user:password@example.com/", "user and password"),
        ("https://example.com/#part", "what follows the #"),
        ("https://exämple.com/", "xn--"),
        ("https://example.com:99999/", "not an address"),
        ("https:///hook", "no host name"),
        ("https://" + "a" * 1_000, "the limit is 1000"),
    ],
)
def test_what_is_refused_says_why(url: str, why: str) -> None:
    with pytest.raises(Forbidden, match=why) as refused:
        parse(url, PRODUCTION)

    assert refused.value.field == "url"


def test_demo_mode_calls_this_machine_and_nothing_else_inside() -> None:
    for url, found, allowed in (
        ("http://127.0.0.1:9999/", "127.0.0.1", True),
        ("http://localhost:9999/", "::1", True),
        ("http://example.com/", "8.8.8.8", False),
        ("https://example.com:9999/", "8.8.8.8", False),
        ("https://example.com/", "8.8.8.8", True),
        ("https://inner.example.com/", "10.0.0.1", False),
    ):
        target = parse(url, DEMO)
        if allowed:
            assert str(checked(target, DEMO, lambda host, port: [found])) == found  # noqa: B023
        else:
            with pytest.raises(Forbidden):
                checked(target, DEMO, lambda host, port: [found])  # noqa: B023


def test_a_call_has_an_end_however_steadily_it_drips() -> None:
    with receiving() as receiver:
        receiver.answer = lambda got: Reply(wait_s=5)

        answer = post(call(receiver.url), DEMO, deadline_s=0.3)

    assert answer.status is None
    assert answer.error == "No answer within 0.3 s."
    assert answer.seconds < 3


def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    with receiving() as receiver:
        receiver.answer = lambda got: Reply(200, body=b"a\0" * 1_000_000)

        answer = post(call(receiver.url), DEMO)

    assert answer.arrived
    assert answer.text == "a" * 1_000


def test_nothing_listens() -> None:
    with receiving() as receiver:
        url = receiver.url

    answer = post(call(url), DEMO)

    assert answer.status is None
    assert "refused" in answer.error


def test_resolving_gives_each_address_once() -> None:
    assert "127.0.0.1" in addresses.resolve("localhost", 443) or "::1" in addresses.resolve("localhost", 443)


# --- https -----------------------------------------------------------------------------------------------------------


def certified(name: str, folder: Path) -> tuple[Path, Path]:
    """A certificate for this name that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.mark.need(13)
@pytest.mark.parametrize(("name", "arrives"), [("hooks.example.com", True), ("other.example.com", False)])
def test_the_checked_address_is_called_by_the_name_and_must_prove_it(
    name: str, arrives: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = certified("hooks.example.com", tmp_path)
    monkeypatch.setattr(transport, "tls", lambda: ssl.create_default_context(cafile=str(certificate)))
    asked: list[str | None] = []
    with receiving() as receiver:
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        served.load_cert_chain(certificate, key)
        served.sni_callback = lambda sock, server_name, context: asked.append(server_name)
        receiver.server.socket = served.wrap_socket(receiver.server.socket, server_side=True)
        port = receiver.server.server_address[1]

        answer = post(call(f"https://{name}:{port}/hook"), DEMO, lambda host, number: ["127.0.0.1"])

    assert asked == [name]
    assert answer.arrived is arrives
    assert [got.headers["host"] for got in receiver.got] == ([f"{name}:{port}"] if arrives else [])
    if not arrives:
        assert answer.error == "hostname 'other.example.com' doesn't match 'hooks.example.com'"
