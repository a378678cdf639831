-- Call tokens (purchased calls), and usage by day, route and installation.

-- Remaining call tokens. This row decides whether a token pays for a call; it never falls below zero under concurrency.
create table evconduit.call_token_balances (
    user_id uuid primary key references evconduit.users on delete cascade,
    balance integer not null default 0 check (balance >= 0)
) with (fillfactor = 70);

-- Grants and clawbacks; spent tokens are in poll_logs. source and source_id are unique, so that repeating an entry
-- changes nothing. A clawback takes at most the balance; the rest is its shortfall.
create table evconduit.call_token_ledger (
    id bigint generated always as identity primary key,
    user_id uuid not null references evconduit.users on delete cascade,
    kind text not null check (kind in ('grant', 'clawback')),
    source text not null,
    source_id text not null,
    amount integer not null check (amount >= 0),
    shortfall integer not null default 0 check (shortfall >= 0),
    created_at timestamptz not null default now(),
    unique (source, source_id),
    check (kind = 'clawback' or (amount > 0 and shortfall = 0))
);
create index call_token_ledger_user on evconduit.call_token_ledger (user_id, id);

-- Calls minus refunds, counted as they happen: a usage report reads few rows, however long the history, and old rows of
-- poll_logs can be deleted. `day` is in UTC; a quota month may begin within a day. credential_id is null for calls with
-- a Supabase token of the user.
create table evconduit.usage_days (
    user_id uuid not null references evconduit.users on delete cascade,
    period timestamptz not null,
    day date not null,
    endpoint text not null,
    credential_id uuid,
    calls integer not null check (calls >= 0),
    -- The number of those that call tokens paid for.
    call_tokens integer not null default 0 check (call_tokens between 0 and calls),
    unique nulls not distinct (user_id, period, day, endpoint, credential_id)
) with (fillfactor = 70);
insert into evconduit.usage_days (user_id, period, day, endpoint, credential_id, calls, call_tokens)
select user_id, period, (created_at at time zone 'UTC')::date, endpoint, credential_id, count(*),
       count(*) filter (where paid_by = 'call_tokens')
from evconduit.poll_logs where refunded_at is null
group by user_id, period, (created_at at time zone 'UTC')::date, endpoint, credential_id;

-- Finds old rows to delete.
create index poll_logs_created on evconduit.poll_logs (created_at);

do $$
declare
    made text;
begin
    foreach made in array array['call_token_balances', 'call_token_ledger', 'usage_days'] loop
        execute format('alter table evconduit.%I enable row level security', made);
        execute format('alter table evconduit.%I force row level security', made);
        execute format('create policy relay on evconduit.%I for all to evconduit_relay using (true) with check (true)', made);
        execute format('grant select, insert, update, delete on evconduit.%I to evconduit_relay', made);
    end loop;
end $$;
