-- Link pages, on which a user links a vehicle. The token's holder can use a page once. Only its SHA-256 is stored.
create table evconduit.link_pages (
    -- Passed through Enode as the link session's state, and returned to the client that created the page.
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references evconduit.users on delete cascade,
    token_hash bytea not null unique check (octet_length(token_hash) = 32),
    -- Null: the user chooses the vendor at Enode.
    vendor text,
    -- The vehicle whose link is to be renewed; null: a new link.
    vehicle_id uuid references evconduit.vehicles on delete cascade,
    expires_at timestamptz not null,
    -- Set by the page's button, never by opening the page: mail scanners and messengers open links.
    opened_at timestamptz,
    -- What was linked at Enode before: everything in addition afterwards was linked by this page.
    vendors_before text[] not null default '{}',
    vehicles_before text[] not null default '{}',
    -- When the browser came back from Enode, and Enode's error code if there was a problem.
    returned_at timestamptz,
    error text,
    outcome text check (outcome in ('linked', 'cancelled', 'failed')),
    -- Enode's ids of the newly linked vehicles.
    vehicles_new text[] not null default '{}',
    -- The last request to Enode for the result.
    refreshed_at timestamptz,
    created_at timestamptz not null default now(),
    check (opened_at is not null or (returned_at is null and outcome is null))
);
create index link_pages_user on evconduit.link_pages (user_id, created_at);

-- chosen_at: the user selected this vehicle to be served if the plan's limit is lower than the number of vehicles.
-- broken_at: since when the link of a vehicle over the limit is broken, because its link_state can't be both.
alter table evconduit.vehicles
    add column chosen_at timestamptz,
    add column broken_at timestamptz;

alter table evconduit.link_pages enable row level security;
alter table evconduit.link_pages force row level security;
create policy relay on evconduit.link_pages for all to evconduit_relay using (true) with check (true);
grant select, insert, update, delete on evconduit.link_pages to evconduit_relay;
