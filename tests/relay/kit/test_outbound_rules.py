"""Which URLs and addresses may be reached. Most rows of the tables are known attacks."""

from ipaddress import ip_address, ip_network

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.kit.outbound_rules import (
    MalformedUrlError,
    OutboundRules,
    classify_address,
    is_address_allowed,
    is_target_allowed,
    parse_allowlist,
    parse_url,
    unwrap_embedded_ipv4,
)

CLOUD = OutboundRules(own_ports=frozenset({8300}))
HOME = OutboundRules(allow_private=True, own_ports=frozenset({8300}))
LISTED = OutboundRules(
    allow_private=True,
    allowed_hosts=frozenset({"ha.lan"}),
    allowed_networks=(ip_network("127.0.0.0/8"), ip_network("169.254.0.0/16"), ip_network("::1/128")),
    own_ports=frozenset({8300}),
)

INVALID_URLS = [
    "",
    "example.org",
    "//example.org/",
    "/api/webhook/x",
    "https://",
    "https:///x",
    "https://:443/",
    "ftp://example.org/",
    "file:///etc/passwd",
    "gopher://example.org:11211/_stats",
    "javascript:alert(1)",
    "data:text/plain,x",
    "ws://example.org/",
    "unix:///run/docker.sock",
    "https://user@example.org/",
    "https://user:password@example.org/",
    "https://:@example.org/",
    "https://@example.org/",
    "https://example.org@127.0.0.1/",
    "https://example.org#@127.0.0.1/",
    "https://example.org?x@127.0.0.1/",
    "https://example.org/#fragment",
    "https://example.org/#",
    "https://example.org\\@127.0.0.1/",
    "https:\\\\example.org/",
    "https://exa mple.org/",
    "https://example.org/a b",
    "https://example.org/a\\b",
    "https://example.org/a\u00a0b",
    "https://example.org/\x7f",
    " https://example.org/",
    "https://example.org/ ",
    "https://example.org/\r\nHost: evil",
    "https://example.org/\tx",
    "https://example.org/\x00",
    "\nhttps://example.org/",
    "https://example.org:0/",
    "https://example.org:65536/",
    "https://example.org:-1/",
    "https://example.org:port/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://017700000001/",
    "https://127.0.0.1.5/",
    "https://256.256.256.256/",
    "https://1.2.3.4.0x7f/",
    "https://127.0.0.09/",
    "https://[127.0.0.1]/",
    "https://[::1/",
    "https://[::1%25lo]/",
    "https://[fe80::1%25eth0]/",
    "https://[v1.fe80::a]/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://ⓛocalhost/",
    "https://exa%6dple.org/",
    "https://%31%32%37.0.0.1/",
    "https://127.0.0.1%00.example.org/",
    "https://-example.org/",
    "https://example-.org/",
    "https://example..org/",
    "https://.example.org/",
    f"https://{'a' * 64}.org/",
    f"https://{'a.' * 130}org/",
    "https://example.org/" + "a" * 2048,
]


@pytest.mark.parametrize("url", INVALID_URLS)
def test_invalid_urls_are_rejected_with_a_sentence(url):
    with pytest.raises(MalformedUrlError) as raised:
        parse_url(url)
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://example.org", "example.org", 443),
        ("HTTPS://Example.ORG./x?y=1", "example.org", 443),
        ("https://example.org:8123/api/webhook/x", "example.org", 8123),
        ("https://127\u30020\u30020\u30021/", "127.0.0.1", 443),
        ("http://ha.lan/", "ha.lan", 80),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
        ("http://192.168.1.5:8123/", "192.168.1.5", 8123),
        ("https://[2606:4700::1111]/", "2606:4700::1111", 443),
        ("https://a_b.example/", "a_b.example", 443),
    ],
)
def test_valid_urls_are_parsed(url, host, port):
    target = parse_url(url)
    assert (target.host, target.port) == (host, port)


PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
PRIVATE = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.5", "100.64.0.1", "fd12:3456::1", "::ffff:10.0.0.1"]
LOOPBACK = ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.170.2",
    "172.30.32.1",
    "172.30.32.2",
    "172.30.33.255",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::7f00:1",
    "::127.0.0.1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::",
    "2002:101:101::",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd0c:ac1e:2100::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "::ffff:169.254.169.254",
    "::ffff:172.30.32.2",
    "::ffff:0.0.0.0",
]
KINDS = [("public", PUBLIC), ("private", PRIVATE), ("loopback", LOOPBACK), ("never", NEVER)]


@pytest.mark.parametrize(("kind", "address"), [(kind, address) for kind, addresses in KINDS for address in addresses])
def test_addresses_are_classified(kind, address):
    assert classify_address(ip_address(address)) == kind


def is_allowed(url: str, address: str, rules: OutboundRules) -> bool:
    target = parse_url(url)
    return is_target_allowed(target, rules) and is_address_allowed(ip_address(address), target, rules)


@pytest.mark.parametrize(
    ("url", "address", "cloud", "home", "listed"),
    [
        ("https://ha.example", "1.1.1.1", True, True, True),
        ("https://ha.example:8123", "1.1.1.1", True, True, True),
        ("https://ha.example:8300", "1.1.1.1", True, True, True),
        ("https://ha.example:80", "1.1.1.1", False, True, True),
        ("https://ha.example:22", "1.1.1.1", False, True, True),
        ("http://ha.example:8123", "1.1.1.1", False, True, True),
        ("https://ha.example", "192.168.1.5", False, True, True),
        ("http://ha.example:8300", "192.168.1.5", False, False, False),
        ("http://ha.example", "127.0.0.1", False, False, True),
        ("http://ha.example", "::ffff:127.0.0.1", False, False, True),
        ("http://ha.example:8300", "127.0.0.1", False, False, False),
        ("http://ha.lan", "127.0.0.1", False, False, True),
        ("http://ha.lan", "169.254.169.254", False, False, False),
        ("http://ha.example", "169.254.1.1", False, False, False),
        ("http://supervisor/core", "1.1.1.1", False, False, False),
        ("http://SUPERVISOR./core", "192.168.1.5", False, False, False),
        ("https://metadata.google.internal", "1.1.1.1", False, False, False),
    ],
)
def test_cloud_mode_reaches_public_addresses_and_self_hosted_mode_private_ones_too(url, address, cloud, home, listed):
    assert [is_allowed(url, address, rules) for rules in (CLOUD, HOME, LISTED)] == [cloud, home, listed]


def test_the_allowlist_is_parsed_and_an_invalid_entry_is_named():
    hosts, networks = parse_allowlist(" ha.lan, 127.0.0.1 ,10.1.0.0/16,,")
    assert hosts == {"ha.lan"}
    assert networks == (ip_network("127.0.0.1/32"), ip_network("10.1.0.0/16"))
    for invalid in ("10.1.0.1/16", "ha lan", "127.1", "https://ha.lan"):
        with pytest.raises(ValueError, match=r"neither a host name such as ha\.lan nor a network"):
            parse_allowlist(invalid)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_address_is_classified_like_itself_or_stricter(inner):
    expected = classify_address(inner)
    assert classify_address(ip_address(f"::ffff:{inner}")) == expected
    assert classify_address(ip_address(f"64:ff9b::{inner}")) == ("public" if expected == "public" else "never")
    assert classify_address(ip_address(f"::{inner}")) in {"never", "loopback"}
    assert classify_address(ip_address(int(ip_address("2002::")) | int(inner) << 80)) == "never"


@given(st.text(max_size=80) | st.from_regex(r"https?://[^/]{0,40}(:[0-9]{0,6})?/.{0,20}", fullmatch=True))
def test_any_text_is_parsed_or_rejected_as_malformed(text):
    try:
        target = parse_url(text)
    except MalformedUrlError:
        return
    assert target.host.isascii()
    assert target.host == target.host.lower()
    assert 0 < target.port <= 65535


def allow_reserved(hosts=(), networks=()):
    """Rules of a self-hosted relay whose operator allows these hosts and networks."""
    return OutboundRules(
        allow_private=True, allowed_hosts=frozenset(hosts), allowed_networks=tuple(map(ip_network, networks))
    )


BLOCKED_HOSTS = ["supervisor", "hassio", "supervisor.local.hass.io", "metadata.google.internal", "metadata"]


@pytest.mark.parametrize("host", BLOCKED_HOSTS)
@pytest.mark.parametrize("spell", [str, str.upper, str.title, "{}.".format])
def test_supervisor_and_metadata_hosts_are_blocked_however_they_are_spelt(host, spell):
    """Also where the operator lists the host, and whatever the address."""
    rules = allow_reserved([host], ["0.0.0.0/0"])
    for url in (f"https://{spell(host)}/", f"http://{spell(host)}:8123/", f"https://{spell(host)}:443/x"):
        target = parse_url(url)
        assert target.host == host
        assert [is_target_allowed(target, each) for each in (CLOUD, HOME, LISTED, rules)] == [False] * 4


@pytest.mark.parametrize("host", BLOCKED_HOSTS)
def test_other_hosts_that_contain_a_blocked_name_are_decided_by_their_address(host):
    """Names below a blocked one lead to the same networks, which are never allowed."""
    for other in (f"x.{host}", f"{host}.example.org", f"my{host}", f"{host}1"):
        assert is_allowed(f"https://{other}/", "1.1.1.1", CLOUD)
        for address in ("172.30.32.2", "172.30.33.1", "169.254.169.254"):
            for rules in (CLOUD, HOME, LISTED, allow_reserved([other], ["0.0.0.0/0"])):
                assert not is_allowed(f"https://{other}/", address, rules)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (1, False),
        (80, False),
        (442, False),
        (443, True),
        (444, False),
        (1023, False),
        (1024, True),
        (1025, True),
        (8123, True),
        (65535, True),
    ],
)
def test_cloud_mode_reaches_https_on_port_443_or_from_1024(port, expected):
    assert is_allowed(f"https://ha.example:{port}", "1.1.1.1", CLOUD) is expected
    assert not is_allowed(f"http://ha.example:{port}", "1.1.1.1", CLOUD)
    assert is_allowed(f"https://ha.example:{port}", "1.1.1.1", HOME)
    assert is_allowed(f"http://ha.example:{port}", "192.168.1.5", HOME)


@pytest.mark.parametrize(
    ("rules", "host", "address", "expected"),
    [
        (allow_reserved(["ha.lan"]), "ha.lan", "127.0.0.1", True),
        (allow_reserved(["ha.lan"]), "HA.LAN.", "127.0.0.1", True),
        (allow_reserved(["ha.lan"]), "x.ha.lan", "127.0.0.1", False),
        (allow_reserved(["ha.lan"]), "nas.lan", "127.0.0.1", False),
        (allow_reserved(["ha.lan"]), "ha.lan", "169.254.169.254", False),
        (allow_reserved(["ha.lan"]), "ha.lan", "192.0.2.1", False),
        (allow_reserved([], ["127.0.0.1/32"]), "any.lan", "127.0.0.1", True),
        (allow_reserved([], ["127.0.0.1/32"]), "any.lan", "::ffff:127.0.0.1", True),
        (allow_reserved([], ["127.0.0.1/32"]), "any.lan", "127.0.0.2", False),
        (allow_reserved([], ["127.0.0.1/32"]), "any.lan", "::1", False),
        (allow_reserved([], ["::1/128"]), "any.lan", "::1", True),
        (OutboundRules(), "any.lan", "10.1.0.1", False),
        (OutboundRules(allowed_networks=(ip_network("10.1.0.0/16"),)), "any.lan", "10.1.255.255", True),
        (OutboundRules(allowed_networks=(ip_network("10.1.0.0/16"),)), "any.lan", "10.2.0.0", False),
        (OutboundRules(allowed_hosts=frozenset({"any.lan"})), "any.lan", "10.2.0.0", True),
        (OutboundRules(allowed_hosts=frozenset({"any.lan"})), "other.lan", "10.2.0.0", False),
        (OutboundRules(allowed_hosts=frozenset({"any.lan"})), "any.lan", "172.30.32.2", False),
    ],
)
def test_operator_allows_single_hosts_or_networks(rules, host, address, expected):
    assert is_allowed(f"https://{host}:8123", address, rules) is expected


NETWORK_EDGES = [
    ("public", ["1.0.0.0", "9.255.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.0", "223.255.255.255"]),
    ("public", ["100.63.255.255", "100.128.0.0", "169.253.255.255", "169.255.0.0", "168.63.129.15", "168.63.129.17"]),
    ("public", ["172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "192.0.1.0", "192.88.98.255"]),
    ("public", ["192.88.100.0", "2003::1", "2001:200::1"]),
    ("private", ["10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "100.100.100.199", "100.100.100.201"]),
    ("private", ["172.16.0.0", "172.30.31.255", "172.30.34.0", "192.168.0.0", "192.168.255.255"]),
    ("private", ["fc00::", "fdff:ffff::1", "fd00:ec1::1", "fd00:ec3::1", "fd20:ce:0:1::1", "fd0c:ac1e:2101::1"]),
    ("never", ["0.255.255.255", "169.254.0.0", "169.254.255.255", "172.30.32.0", "192.0.0.0", "192.0.0.255"]),
    # Protocol assignments that Python counts as global.
    ("never", ["192.0.0.9", "192.0.0.10"]),
    ("never", ["192.88.99.0", "192.88.99.255", "224.0.0.0", "255.255.255.254", "fe80::", "febf::1", "feff::1"]),
    ("never", ["2001:0:ffff::1", "2002:ffff::1", "fd00:ec2:ffff::1", "fd20:ce::ffff", "fd0c:ac1e:2100:ffff::1"]),
    # Outside of 2000::/3, the global unicast addresses.
    ("never", ["64:ff9b:0:0:1::1", "64:ff9b:0:0:1:0:101:101", "100:1::1", "1fff::1", "4000::1", "8000::1", "fe00::1"]),
    ("loopback", ["127.0.0.0", "127.255.255.255"]),
]


@pytest.mark.parametrize(("kind", "addresses"), NETWORK_EDGES)
def test_addresses_at_the_edges_of_networks_are_classified(kind, addresses):
    assert {address: classify_address(ip_address(address)) for address in addresses} == dict.fromkeys(addresses, kind)


@given(st.ip_addresses(v=4))
def test_embedded_ipv4_address_is_unwrapped_to_the_last_bit(inner):
    assert unwrap_embedded_ipv4(inner) == inner
    assert unwrap_embedded_ipv4(ip_address(f"::ffff:{inner}")) == inner
    assert unwrap_embedded_ipv4(ip_address(f"64:ff9b::{inner}")) == inner
    assert unwrap_embedded_ipv4(ip_address(f"64:ff9b:1::{inner}")) == ip_address(f"64:ff9b:1::{inner}")


LABEL = "a" * 63
LONGEST_HOST = f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}"


@pytest.mark.parametrize(
    ("url", "is_valid"),
    [
        ("https://example.org/".ljust(2048, "a"), True),
        ("https://example.org/".ljust(2049, "a"), False),
        (f"https://{LONGEST_HOST}/", True),
        (f"https://{LONGEST_HOST}a/", False),
        (f"https://{LABEL}.org/", True),
        ("https://example.org:1/", True),
        ("https://example.org:65535/", True),
        ("https://example.org:65536/", False),
        ("https://example.org/a@b", True),
        ("https://example.org/a@b/c", True),
        ("https://example.org/?next=https://a@b/c", True),
        ("https://example.org/?a=b:c@d", True),
        ("https://a1.example.org/", True),
        ("https://1a/", True),
        ("https://a.1b/", True),
        ("https://a.0xg/", True),
        ("https://a.0xf/", False),
    ],
)
def test_urls_at_the_limits(url, is_valid):
    if is_valid:
        assert parse_url(url).url == httpx.URL(url)
    else:
        with pytest.raises(MalformedUrlError):
            parse_url(url)


@pytest.mark.parametrize(
    ("url", "ip_literal"),
    [
        ("https://1.2.3.4/", ip_address("1.2.3.4")),
        ("https://[2606:4700::1111]/", ip_address("2606:4700::1111")),
        ("https://example.org/", None),
    ],
)
def test_ip_literal_is_the_address_in_the_url(url, ip_literal):
    assert parse_url(url).ip_literal == ip_literal


def test_allowlist_skips_empty_entries_and_numbers_an_invalid_one():
    assert parse_allowlist("ha.lan,,nas.lan, 10.0.0.0/8")[0] == {"ha.lan", "nas.lan"}
    assert parse_allowlist(" HA.lan ")[0] == {"ha.lan"}
    assert parse_allowlist("") == (frozenset(), ())
    for text, number in (("ha lan", 1), ("ha.lan,ha lan", 2), ("ha.lan,,10.0.0.0/8,127.1", 4)):
        with pytest.raises(ValueError, match=rf"^entry {number} is neither"):
            parse_allowlist(text)
