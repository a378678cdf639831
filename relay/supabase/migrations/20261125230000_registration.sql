-- How people come in where there are many: invitations, and sign-ins that have begun.

-- Only the SHA-256 of a code is kept, and how it begins.
create table evconduit.invitations (
    id uuid primary key default gen_random_uuid(),
    code_hash bytea not null unique check (octet_length(code_hash) = 32),
    prefix text not null,
    note text not null default '',
    -- For so many people.
    uses int not null check (uses > 0),
    used int not null default 0 check (used between 0 and uses),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);

alter table evconduit.users add column invitation_id uuid references evconduit.invitations on delete set null;
create index users_invitation on evconduit.users (invitation_id) where invitation_id is not null;

-- A sign-in between its first click and its last, in one browser. Rows stay until they expire, for they are counted too.
create table evconduit.sign_in_attempts (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    -- Keyed hashes of the address and of where the browser is: to count, not to know.
    address_hash bytea,
    source_hash bytea not null,
    -- What proves to Supabase that the code came back to who began. Gone once it was used.
    code_verifier text,
    invitation_id uuid references evconduit.invitations on delete set null,
    accepted_terms_at timestamptz,
    next_path text not null,
    -- Whom Supabase has vouched for, when something of ours is still wanted from that person.
    supabase_id uuid,
    email text,
    name text,
    expires_at timestamptz not null,
    created_at timestamptz not null default now()
);
create index sign_in_attempts_address on evconduit.sign_in_attempts (address_hash, created_at);
create index sign_in_attempts_source on evconduit.sign_in_attempts (source_hash, created_at);
create index sign_in_attempts_expires on evconduit.sign_in_attempts (expires_at);
create index sign_in_attempts_invitation on evconduit.sign_in_attempts (invitation_id) where invitation_id is not null;

do $$
declare
    it text;
begin
    foreach it in array array['invitations', 'sign_in_attempts'] loop
        execute format('alter table evconduit.%I enable row level security', it);
        execute format('alter table evconduit.%I force row level security', it);
        execute format('create policy relay on evconduit.%I for all to evconduit_relay using (true) with check (true)', it);
        execute format('grant select, insert, update, delete on evconduit.%I to evconduit_relay', it);
    end loop;
end $$;
