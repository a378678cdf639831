"""What plans grant on a relay for many, as the operator's settings have it unless told otherwise."""

from relay.metering.allowance import create_cloud_plans

CLOUD = create_cloud_plans(free=300, basic=2500, pro=10_000)
