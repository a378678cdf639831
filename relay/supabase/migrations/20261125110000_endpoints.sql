-- Where the relay POSTs to: an address that a user gave, its place in the user's feed, and how delivery to it goes. The
-- table is its own queue: due is who is behind the feed and may be tried. What it promises: docs/architecture.md.
create table evconduit.endpoints (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references evconduit.users on delete cascade,
    -- Revoking the key ends the endpoint.
    credential_id uuid not null references evconduit.api_keys on delete cascade,
    -- v2: signed, all cars, one a credential. classic: one object a POST, as the classic client understands it.
    kind text not null check (kind in ('v2', 'classic')),
    -- A Home Assistant webhook's address is a secret: it is shown to nobody and never reaches a log.
    url text not null,
    -- The signing secret is derived from the relay's key, the id and this.
    salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    -- Classic only: the name of the webhook, and the car under the id that the client knows (none: all cars).
    webhook_id text,
    configured_id text,
    vehicle_id uuid references evconduit.vehicles on delete cascade,
    -- Told and acknowledged up to here; none before the first delivery.
    epoch text,
    seq bigint,
    -- While in the future, one process has a POST under way.
    leased_until timestamptz,
    lease_token uuid,
    -- While in the future, the same credential has a stream open and is told there.
    streaming_until timestamptz,
    failures integer not null default 0 check (failures >= 0),
    failing_since timestamptz,
    last_failure text
        check (last_failure in ('address', 'connection', 'timeout', 'tls', 'redirect', 'status', 'answer')),
    last_success_at timestamptz,
    -- None: not tried any more until it is registered again.
    next_try_at timestamptz default now(),
    -- Given up after failing for days; still probed for some weeks.
    off_at timestamptz,
    -- Answers slowly: delivered to beside the quick ones, so that those never wait for it.
    slow boolean not null default false,
    tested_at timestamptz,
    created_at timestamptz not null default now(),
    check ((epoch is null) = (seq is null)),
    check ((failing_since is null) = (failures = 0)),
    check ((leased_until is null) = (lease_token is null)),
    check ((webhook_id is not null) = (kind = 'classic'))
) with (fillfactor = 70);
create index endpoints_user on evconduit.endpoints (user_id);
create unique index endpoints_credential on evconduit.endpoints (credential_id) where kind = 'v2';
create unique index endpoints_webhook on evconduit.endpoints (user_id, webhook_id) where kind = 'classic';
create unique index endpoints_car on evconduit.endpoints (user_id, vehicle_id)
    where kind = 'classic' and vehicle_id is not null;

alter table evconduit.endpoints enable row level security;
alter table evconduit.endpoints force row level security;
create policy relay on evconduit.endpoints for all to evconduit_relay using (true) with check (true);
grant select, insert, update, delete on evconduit.endpoints to evconduit_relay;
