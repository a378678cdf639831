"""Which URLs and addresses may be reached. Most rows of the tables are known attacks."""

from ipaddress import ip_address, ip_network

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
    "https://example.org/#fragment",
    "https://example.org/#",
    "https://example.org\\@127.0.0.1/",
    "https:\\\\example.org/",
    "https://exa mple.org/",
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
