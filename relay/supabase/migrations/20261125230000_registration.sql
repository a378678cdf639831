-- Registration in cloud mode: invitations, and sign-in attempts.

-- Invitations. Only the code's SHA-256 and its first characters are stored.
create table evconduit.invitations (
    id uuid primary key default gen_random_uuid(),
    code_hash bytea not null unique check (octet_length(code_hash) = 32),
    prefix text not null,
    note text not null default '',
    -- The number of users who can register with it.
    uses int not null check (uses > 0),
    used int not null default 0 check (used between 0 and uses),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);

alter table evconduit.users add column invitation_id uuid references evconduit.invitations on delete set null;
create index users_invitation on evconduit.users (invitation_id) where invitation_id is not null;

-- Sign-in attempts in one browser, from start to end. Rows stay until they expire, because rate limits count them.
create table evconduit.sign_in_attempts (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    -- Keyed hashes of the email address and of the browser's network, for rate limits only.
    address_hash bytea,
    source_hash bytea not null,
    -- The PKCE code verifier; deleted once it was used.
    code_verifier text,
    invitation_id uuid references evconduit.invitations on delete set null,
    accepted_terms_at timestamptz,
    next_path text not null,
    -- The user whom Supabase authenticated, while this relay still needs an invitation or consent from them.
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
