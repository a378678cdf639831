-- Sign-in with Supabase: who may have a link replaced, what the operator must know, and bans and deletions at Supabase.

alter table evconduit.sign_in_attempts
    -- When an email was requested for this attempt; null if none was, if sending failed, and once the link was used.
    add column mail_requested_at timestamptz,
    -- SHA-256 of a code or link whose exchange got no answer: Supabase may have used it up.
    add column unanswered_hash bytea check (octet_length(unanswered_hash) = 32);
create index sign_in_attempts_unanswered on evconduit.sign_in_attempts (unanswered_hash)
    where unanswered_hash is not null;

-- Networks from which an address has signed in. A stranger's request for a link doesn't hold theirs back. Keyed hashes.
create table evconduit.sign_in_networks (
    address_hash bytea not null,
    source_hash bytea not null,
    user_id uuid not null references evconduit.users on delete cascade,
    signed_in_at timestamptz not null default now(),
    primary key (address_hash, source_hash)
);
create index sign_in_networks_user on evconduit.sign_in_networks (user_id);
create index sign_in_networks_signed_in on evconduit.sign_in_networks (signed_in_at);

-- What Supabase last reported about itself: one row at most.
create table evconduit.supabase_status (
    only_row boolean primary key default true check (only_row),
    -- When Supabase last refused an email because the project may send no more this hour; null after a sent one.
    mail_quota_exhausted_at timestamptz,
    -- Why the last access token was refused, and when; null after one that was accepted.
    token_problem text,
    token_problem_at timestamptz
);

alter table evconduit.users
    -- Null while the user can sign in at Supabase.
    add column supabase_state text check (supabase_state in ('banned', 'deleted')),
    -- Whether that state disabled the account, so that the end of a ban enables it.
    add column disabled_by_supabase boolean not null default false,
    -- A new identity with this account's address, after its own was deleted at Supabase. It waits for the operator.
    add column claim_supabase_id uuid,
    add column claimed_at timestamptz;

do $$
declare
    it text;
begin
    foreach it in array array['sign_in_networks', 'supabase_status'] loop
        execute format('alter table evconduit.%I enable row level security', it);
        execute format('alter table evconduit.%I force row level security', it);
        execute format('create policy relay on evconduit.%I for all to evconduit_relay using (true) with check (true)', it);
        execute format('grant select, insert, update, delete on evconduit.%I to evconduit_relay', it);
    end loop;
end $$;
