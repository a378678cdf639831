"""Which addresses the relay may connect to."""

from scripts.lib.mutation.tables import Pair, PairTable

PAIRS = (
    PairTable(
        file="relay/kit/outbound_rules.py",
        tests=(
            "tests/relay/kit/test_outbound_rules.py",
            "tests/relay/kit/test_outbound_addresses.py",
            "tests/relay/kit/test_outbound.py",
        ),
        pairs=(
            *(
                Pair(f'"{name}"{end}', f'"{name}.example"{end}', f"the host {name} is allowed")
                for name, end in (
                    ("supervisor", ","),
                    ("hassio", ","),
                    ("supervisor.local.hass.io", ","),
                    ("metadata.google.internal", ","),
                    ("metadata", "}"),
                )
            ),
            *(
                Pair(f'    "{network}",  #', '    "240.0.0.0/32",  #', f"the network {network} is allowed")
                for network in (
                    "172.30.32.0/23",
                    "100.100.100.200/32",
                    "168.63.129.16/32",
                    "192.0.0.0/24",
                    "192.88.99.0/24",
                    "0.0.0.0/8",
                    "169.254.0.0/16",
                    "224.0.0.0/3",
                    "192.0.2.0/24",
                    "198.18.0.0/15",
                    "198.51.100.0/24",
                    "2001:db8::/32",
                    "fd00:ec2::/32",
                    "fd20:ce::/64",
                    "fd0c:ac1e:2100::/48",
                )
            ),
            Pair('"10.0.0.0/8", "172.16', '"172.16', "the network 10.0.0.0/8 isn't private"),
            Pair('"172.16.0.0/12", ', "", "the network 172.16.0.0/12 isn't private"),
            Pair('"192.168.0.0/16", ', "", "the network 192.168.0.0/16 isn't private"),
            Pair('"100.64.0.0/10", ', "", "the network 100.64.0.0/10 isn't private"),
            Pair('"fc00::/7")', ")", "the network fc00::/7 isn't private"),
            Pair("FIRST_UNPRIVILEGED_PORT = 1024", "FIRST_UNPRIVILEGED_PORT = 1023", "port 1023 is allowed"),
            Pair("FIRST_UNPRIVILEGED_PORT = 1024", "FIRST_UNPRIVILEGED_PORT = 1025", "port 1024 is refused"),
            Pair("MAX_URL_LENGTH = 2048", "MAX_URL_LENGTH = 2049", "a URL that is too long is accepted"),
            Pair("MAX_URL_LENGTH = 2048", "MAX_URL_LENGTH = 2047", "the longest URL is refused"),
            Pair("MAX_HOSTNAME_LENGTH = 253", "MAX_HOSTNAME_LENGTH = 254", "a host name that is too long is accepted"),
            Pair("MAX_PORT = 65535", "MAX_PORT = 65536", "a port that is too high is accepted"),
            Pair(
                'NAT64 = IPv6Network("64:ff9b::/96")',
                'NAT64 = IPv6Network("64:ff9c::/96")',
                "addresses behind NAT64 are allowed",
            ),
            Pair('"172.30.32.0/23"', '"172.30.32.0/24"', "the upper half of the Supervisor's network is allowed"),
            Pair('"fd00:ec2::/32"', '"fd00:ec2::254/128"', "other addresses of the metadata network are allowed"),
            Pair('"100.64.0.0/10", ', '"100.64.0.0/11", ', "the upper half of 100.64.0.0/10 is missing"),
            Pair('"172.16.0.0/12"', '"172.16.0.0/13"', "the upper half of 172.16.0.0/12 is missing"),
            Pair("MAX_PORT = 65535", "MAX_PORT = 65534", "the highest port is refused"),
            Pair(
                'IPv6Network("64:ff9b::/96")',
                'IPv6Network("64:ff9b::/64")',
                "addresses outside the NAT64 prefix are read as NAT64",
            ),
        ),
    ),
    PairTable(
        file="relay/kit/public_networks.py",
        tests=("tests/relay/kit/test_public_networks.py",),
        pairs=(
            Pair('"2003::/18", ', '"2003::/16", ', "a network that nobody has been given is allowed"),
            Pair('"2610::/23"', '"2610::/12"', "a network that nobody has been given is allowed"),
            Pair('"2a10::/12", ', "", "an allocated network is refused"),
            Pair('*("2001:3::/32", ', '*("2001::/32", "2001:3::/32", ', "Teredo is allowed"),
            Pair("0x0000_5EFE", "0x0000_5EFF", "ISATAP is allowed"),
            Pair("0x0200_0000", "0", "ISATAP with a global IPv4 address is allowed"),
        ),
    ),
    PairTable(
        file="relay/kit/outbound_addresses.py",
        tests=("tests/relay/kit/test_outbound_addresses.py",),
        pairs=(
            Pair("MAX_CONNECT_ATTEMPTS = 3", "MAX_CONNECT_ATTEMPTS = 4", "a request tries too many addresses"),
            Pair("MAX_CONNECT_ATTEMPTS = 3", "MAX_CONNECT_ATTEMPTS = 2", "a request tries too few addresses"),
        ),
    ),
)
