-- Sign-in on the web pages, and OAuth grants of Home Assistant. Of every secret only the SHA-256 is stored.

alter table evconduit.users
    -- The user's id in Supabase Auth; null for users whom the operator added.
    add column supabase_id uuid unique,
    -- Null until the operator has approved the account.
    add column approved_at timestamptz default now(),
    add column accepted_terms_at timestamptz;

-- Web sessions. Supabase's tokens are not stored: they are verified once, when the session starts.
create table evconduit.web_sessions (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    user_id uuid not null references evconduit.users on delete cascade,
    began_by text not null check (began_by in ('link', 'supabase')),
    seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    created_at timestamptz not null default now()
);
create index web_sessions_user on evconduit.web_sessions (user_id);

-- One-time sign-in links. Without a user id, the link is for the owner of a new self-hosted relay and creates that
-- user.
create table evconduit.sign_in_links (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    user_id uuid references evconduit.users on delete cascade,
    expires_at timestamptz not null,
    created_at timestamptz not null default now()
);

-- A Home Assistant that a user authorized on the consent page: an installation, like an API key. Its tokens are
-- replaced.
create table evconduit.oauth_grants (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references evconduit.users on delete cascade,
    client_id text not null,
    name text not null,
    scopes text[] not null check (scopes <@ '{read,control}'),
    redirect_uri text not null,
    last_used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);
create index oauth_grants_user on evconduit.oauth_grants (user_id);

-- Authorization codes. Used rows stay until they expire, because a second use revokes the grant of the first one.
create table evconduit.oauth_codes (
    code_hash bytea primary key check (octet_length(code_hash) = 32),
    user_id uuid not null references evconduit.users on delete cascade,
    client_id text not null,
    redirect_uri text not null,
    code_challenge text not null,
    name text not null,
    scopes text[] not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    grant_id uuid references evconduit.oauth_grants on delete cascade,
    created_at timestamptz not null default now()
);

-- Pairs of access and refresh token. A refresh token is valid until the pair that replaced it is used for the first
-- time.
create table evconduit.oauth_tokens (
    id uuid primary key default gen_random_uuid(),
    grant_id uuid not null references evconduit.oauth_grants on delete cascade,
    access_hash bytea not null unique check (octet_length(access_hash) = 32),
    refresh_hash bytea not null unique check (octet_length(refresh_hash) = 32),
    access_expires_at timestamptz not null,
    -- The pair whose refresh created this one.
    replaces uuid references evconduit.oauth_tokens on delete set null,
    -- First use of either token.
    used_at timestamptz,
    created_at timestamptz not null default now()
);
create index oauth_tokens_grant on evconduit.oauth_tokens (grant_id);
create index oauth_tokens_replaces on evconduit.oauth_tokens (replaces) where replaces is not null;

-- An endpoint belongs to a credential of either kind.
alter table evconduit.endpoints drop constraint endpoints_credential_id_fkey;

do $$
declare
    it text;
begin
    foreach it in array array['web_sessions', 'sign_in_links', 'oauth_grants', 'oauth_codes', 'oauth_tokens'] loop
        execute format('alter table evconduit.%I enable row level security', it);
        execute format('alter table evconduit.%I force row level security', it);
        execute format('create policy relay on evconduit.%I for all to evconduit_relay using (true) with check (true)', it);
        execute format('grant select, insert, update, delete on evconduit.%I to evconduit_relay', it);
    end loop;
end $$;

-- All installations, API keys and OAuth grants. Row-level security applies with the privileges of the reader.
create view evconduit.credentials with (security_invoker = true) as
select id, user_id, 'key' as kind, name, scopes, created_at, last_used_at, revoked_at from evconduit.api_keys
union all
select id, user_id, 'oauth', name, scopes, created_at, last_used_at, revoked_at from evconduit.oauth_grants;
grant select on evconduit.credentials to evconduit_relay;
