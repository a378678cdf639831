-- The relay's schema: private, with forced row-level security on every table and one policy, for the relay's own role.
-- Supabase's public roles have no policy. PostgreSQL 15 to 18. docs/architecture.md describes what each table
-- guarantees.

-- Roles belong to the whole cluster and may exist already (Supabase has anon and authenticated).
do $$
declare
    wanted text;
begin
    foreach wanted in array array['evconduit_relay', 'anon', 'authenticated'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin', wanted);
        end if;
    end loop;
    -- Allows the owner of the schema to act as the relay, as on the embedded server: it migrates, then sets the role.
    if not pg_has_role(current_user, 'evconduit_relay', 'member') then
        execute format('grant evconduit_relay to %I', current_user);
    end if;
end $$;

create schema evconduit;
revoke all on schema evconduit from public;
grant usage on schema evconduit to evconduit_relay;

-- Facts about the whole relay: the mode it was set up in, and the operator's switches.
create table evconduit.settings (
    key text primary key,
    value jsonb not null,
    updated_at timestamptz not null default now()
);

-- Account holders. The id is also Enode's userId and the unique id of Home Assistant's config entry. It is never
-- reused.
create table evconduit.users (
    id uuid primary key default gen_random_uuid(),
    email text,
    name text not null default '',
    role text not null default 'user' check (role in ('user', 'admin')),
    -- As long as plans are not sold, every user has the best one.
    plan text not null default 'pro' check (plan in ('free', 'basic', 'pro')),
    -- Start of the first quota month. The day is at most the 28th, so that every month has it.
    quota_anchor timestamptz not null
        default now() - greatest(0, extract(day from now() at time zone 'UTC')::int - 28) * interval '1 day',
    closed_at timestamptz,
    created_at timestamptz not null default now()
);
create index users_email on evconduit.users (lower(email));

-- API keys: credentials of one Home Assistant or one script. Only the key's SHA-256 is stored.
create table evconduit.api_keys (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references evconduit.users on delete cascade,
    name text not null,
    key_hash bytea not null unique check (octet_length(key_hash) = 32),
    prefix text not null,
    scopes text[] not null default '{read,control}' check (scopes <@ '{read,control}'),
    revoked_at timestamptz,
    is_active boolean not null generated always as (revoked_at is null) stored,
    last_used_at timestamptz,
    created_at timestamptz not null default now()
);
create index api_keys_user on evconduit.api_keys (user_id);

-- A user's feed: the sequence of all updates that clients receive. Its row lock serializes the processing of a user's
-- events, so sequence order is commit order. epoch changes when a database is restored, which invalidates older
-- cursors.
create table evconduit.feeds (
    user_id uuid primary key references evconduit.users on delete cascade,
    epoch text not null default left(replace(gen_random_uuid()::text, '-', ''), 12),
    seq bigint not null default 0
) with (fillfactor = 70);

-- Vehicles. vehicle_cache is Enode's object, merged group by group, newest wins; versions holds each group's version.
-- An unlinked vehicle keeps its row, so that its id never changes.
create table evconduit.vehicles (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references evconduit.users on delete cascade,
    vendor text not null,
    vehicle_cache jsonb not null,
    versions jsonb not null default '{}',
    -- The last known plugged-in, charging and fault states, so that unknown values in between hide no transition.
    last_known jsonb not null default '{}',
    corrections text[] not null default '{}',
    revision bigint not null,
    link_state text not null default 'ok' check (link_state in ('ok', 'broken', 'over_limit')),
    link_since timestamptz not null default now(),
    -- Keyed hash of the VIN: recognizes a vehicle with a new Enode id, and reveals nothing without the key.
    vin_hash bytea,
    online boolean generated always as ((vehicle_cache ->> 'isReachable')::boolean) stored,
    gone_at timestamptz,
    gone_reason text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
) with (fillfactor = 70);
create unique index vehicles_vin on evconduit.vehicles (user_id, vin_hash) where vin_hash is not null;
create index vehicles_revision on evconduit.vehicles (user_id, revision);

-- Enode's ids of each vehicle. Enode assigns a new id each time a vehicle is linked. seen_at and ended_at are the times
-- of the newest events that contained and deleted it: an older event never reverts a newer one.
create table evconduit.vehicle_links (
    enode_vehicle_id text primary key,
    vehicle_id uuid not null references evconduit.vehicles on delete cascade,
    linked_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    ended_at timestamptz
);
create index vehicle_links_vehicle on evconduit.vehicle_links (vehicle_id);

-- Events of a vehicle that clients receive, in order. States have no rows here: they are read from vehicles when sent.
create table evconduit.transitions (
    user_id uuid not null references evconduit.users on delete cascade,
    seq bigint not null,
    vehicle_id uuid not null references evconduit.vehicles on delete cascade,
    kind text not null,
    occurred_at timestamptz not null,
    -- The inbox row that caused it; null if the relay found it by polling.
    source_event_id bigint,
    created_at timestamptz not null default now(),
    primary key (user_id, seq),
    unique (vehicle_id, source_event_id, kind)
);
create index transitions_created on evconduit.transitions (created_at);

-- The inbox: Enode's events, stored before the response and processed later. One row per event.
create table evconduit.webhook_logs (
    id bigint generated always as identity primary key,
    account_id text not null,
    -- webhook: signed and sent by Enode. poll: fetched from Enode by a relay without a public address.
    source text not null default 'webhook' check (source in ('webhook', 'poll')),
    -- SHA-256 of the event's canonical JSON, or of the raw body if it was set aside.
    digest bytea not null check (octet_length(digest) = 32),
    event text,
    version text,
    -- From the event. No foreign key, because the user may be unknown to this relay.
    user_id uuid,
    enode_vehicle_id text,
    payload jsonb,
    -- A set-aside body: not an event, or with values that jsonb can't hold (U+0000, lone surrogates, 1e200000).
    raw bytea,
    event_at timestamptz,
    state text not null default 'pending' check (state in ('pending', 'done', 'ignored', 'set_aside')),
    reason text,
    attempts smallint not null default 0,
    next_try_at timestamptz not null default now(),
    settled_at timestamptz,
    created_at timestamptz not null default now(),
    unique (account_id, digest),
    check (payload is not null or raw is not null)
);
create index webhook_logs_pending on evconduit.webhook_logs (user_id, event_at, id) where state = 'pending';
create index webhook_logs_created on evconduit.webhook_logs (created_at);

-- Webhook subscriptions at Enode. The secret is in the environment; its digest shows whether Enode has the same one.
create table evconduit.webhook_subscriptions (
    id uuid primary key default gen_random_uuid(),
    account_id text not null,
    enode_webhook_id text not null unique,
    url text not null,
    events text[] not null,
    secret_digest bytea not null,
    is_active boolean not null,
    last_success timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- Commands of users to vehicles. A row is written before the request to Enode, so that every request leaves a record.
create table evconduit.commands (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references evconduit.users on delete cascade,
    vehicle_id uuid not null references evconduit.vehicles on delete cascade,
    kind text not null check (kind in ('START', 'STOP')),
    state text not null default 'sending'
        check (state in ('sending', 'pending', 'confirmed', 'failed', 'cancelled', 'unknown')),
    reason jsonb,
    idempotency_key text,
    enode_action_id text,
    credential_id uuid,
    requested_at timestamptz not null default now(),
    settled_at timestamptz,
    check ((settled_at is null) = (state in ('sending', 'pending'))),
    unique (user_id, idempotency_key)
);
create index commands_vehicle on evconduit.commands (vehicle_id, requested_at desc);
create index commands_action on evconduit.commands (enode_action_id) where enode_action_id is not null;
create index commands_open on evconduit.commands (requested_at) where settled_at is null;

-- Calls used in one quota month. This counter decides whether a call is allowed; the history is never summed.
create table evconduit.usage_months (
    user_id uuid not null references evconduit.users on delete cascade,
    period timestamptz not null,
    used integer not null default 0 check (used >= 0),
    primary key (user_id, period)
) with (fillfactor = 70);

-- Every metered call: user, vehicle, route, and whether allowance or call tokens paid for it.
create table evconduit.poll_logs (
    id bigint generated always as identity primary key,
    user_id uuid not null references evconduit.users on delete cascade,
    vehicle_id uuid references evconduit.vehicles on delete set null,
    credential_id uuid,
    endpoint text not null,
    paid_by text not null check (paid_by in ('allowance', 'call_tokens')),
    period timestamptz not null,
    refunded_at timestamptz,
    created_at timestamptz not null default now()
);
create index poll_logs_user on evconduit.poll_logs (user_id, created_at);

-- Deny by default: forced row-level security on every table, with one policy, for the relay.
do $$
declare
    it record;
begin
    for it in select tablename from pg_tables where schemaname = 'evconduit' loop
        execute format('alter table evconduit.%I enable row level security', it.tablename);
        execute format('alter table evconduit.%I force row level security', it.tablename);
        execute format('create policy relay on evconduit.%I for all to evconduit_relay using (true) with check (true)',
                       it.tablename);
        execute format('grant select, insert, update, delete on evconduit.%I to evconduit_relay', it.tablename);
    end loop;
end $$;
