-- Webhook endpoints: a URL from a user, its position in the user's feed, and the state of delivery. The table is also
-- the delivery queue: an endpoint is due if it is behind the feed and may be tried. Guarantees: docs/architecture.md.
create table evconduit.endpoints (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references evconduit.users on delete cascade,
    -- Revoking the credential deletes the endpoint.
    credential_id uuid not null references evconduit.api_keys on delete cascade,
    -- v2: signed messages, all vehicles, one endpoint per credential. classic: one object per POST, for classic
    -- clients.
    kind text not null check (kind in ('v2', 'classic')),
    -- The URL of a Home Assistant webhook is a secret: it is never shown or logged.
    url text not null,
    -- The signing secret is derived from the relay's key, the id and this salt.
    salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    -- Classic only: the webhook's name, and the vehicle's id as the client sent it (null: all vehicles).
    webhook_id text,
    configured_id text,
    vehicle_id uuid references evconduit.vehicles on delete cascade,
    -- The feed position that was acknowledged; null before the first delivery.
    epoch text,
    seq bigint,
    -- While in the future, a process is delivering to the endpoint.
    leased_until timestamptz,
    lease_token uuid,
    -- While in the future, the same credential has an open stream and receives updates there.
    streaming_until timestamptz,
    failures integer not null default 0 check (failures >= 0),
    failing_since timestamptz,
    last_failure text
        check (last_failure in ('address', 'connection', 'timeout', 'tls', 'redirect', 'status', 'answer')),
    last_success_at timestamptz,
    -- Null: not tried again until the endpoint is registered again.
    next_try_at timestamptz default now(),
    -- Set when the endpoint was switched off after days of failures; it is still probed for some weeks.
    off_at timestamptz,
    -- Set if the endpoint answers slowly: it is delivered to separately, so that others don't wait for it.
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
