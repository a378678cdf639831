-- Pages of ours on which a person links a car: whoever has the token may use one, once. Only its SHA-256 is kept.
create table evconduit.link_pages (
    -- Goes through Enode as the state of the link session, and names the page to whoever asked for it.
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references evconduit.users on delete cascade,
    token_hash bytea not null unique check (octet_length(token_hash) = 32),
    -- None: the person chooses the brand at Enode.
    vendor text,
    -- The car whose sign-in is to be renewed; none: a new link.
    vehicle_id uuid references evconduit.vehicles on delete cascade,
    expires_at timestamptz not null,
    -- Burned by the button, never by looking: mail scanners and messengers look.
    opened_at timestamptz,
    -- What was linked at Enode just before: what is more afterwards came of this page.
    vendors_before text[] not null default '{}',
    vehicles_before text[] not null default '{}',
    -- The browser came back from Enode, with Enode's word for what went wrong, if anything did.
    returned_at timestamptz,
    error text,
    outcome text check (outcome in ('linked', 'cancelled', 'failed')),
    -- Enode's ids of the vehicles that came.
    vehicles_new text[] not null default '{}',
    -- When Enode was last asked how it went.
    refreshed_at timestamptz,
    created_at timestamptz not null default now(),
    check (opened_at is not null or (returned_at is null and outcome is null))
);
create index link_pages_user on evconduit.link_pages (user_id, created_at);

-- chosen_at: the user wants this car served where the plan does not have room for all. broken_at: since when the link of
-- a car beyond the limit is broken, as its link_state cannot say both.
alter table evconduit.vehicles
    add column chosen_at timestamptz,
    add column broken_at timestamptz;

alter table evconduit.link_pages enable row level security;
alter table evconduit.link_pages force row level security;
create policy relay on evconduit.link_pages for all to evconduit_relay using (true) with check (true);
grant select, insert, update, delete on evconduit.link_pages to evconduit_relay;
