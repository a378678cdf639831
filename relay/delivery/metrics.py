"""Metrics of delivery to endpoints."""

from typing import LiteralString

from relay.delivery.stream_lease import IS_FREE_OF_STREAMS

# One row per state that occurs: how many endpoints are in it, and for how many seconds the one furthest behind has had
# undelivered changes. `streaming`: a stream delivers instead; `failing`: retried; `off`: only probed.
DELIVERY_METRICS: LiteralString = f"""
with states as (
    select e.user_id, e.seq, e.failing_since, e.created_at,
        case when not {IS_FREE_OF_STREAMS} then 'streaming' when e.off_at is not null then 'off'
             when e.failures > 0 then 'failing' else 'on' end as state,
        (f.epoch, f.seq) is distinct from (e.epoch, e.seq) as behind
    from endpoints e join feeds f using (user_id) join users u on u.id = e.user_id and u.closed_at is null
    join credentials k on k.id = e.credential_id and k.revoked_at is null
)
select s.state, count(*) as endpoints,
    coalesce(max(extract(epoch from now() - coalesce(s.failing_since, undelivered.since, s.created_at)))
        filter (where s.behind), 0)::float as oldest_undelivered_seconds
from states s left join lateral (
    select least(
        (select min(t.created_at) from transitions t where t.user_id = s.user_id and t.seq > s.seq),
        (select min(v.updated_at) from vehicles v where v.user_id = s.user_id and v.revision > s.seq)) as since
) undelivered on s.behind
group by s.state order by s.state
"""  # noqa: S608 - our own constant
