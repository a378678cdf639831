-- Call tokens (calls that were bought), and what was used by day, route and installation.

-- What is left of them: the row that decides. It never goes below zero, whoever races.
create table evconduit.call_token_balances (
    user_id uuid primary key references evconduit.users on delete cascade,
    balance integer not null default 0 check (balance >= 0)
) with (fillfactor = 70);

-- What was granted and taken back; what was spent stands in poll_logs. A source names each of its own once, so that
-- telling it again changes nothing. A clawback takes at most what is there: the rest is its shortfall.
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

-- Calls that stand (refunded ones are taken off), counted as they happen: telling what was used reads a few rows, however
-- long the history, and poll_logs can be deleted behind it. `day` is in UTC; a quota month may begin within one.
-- credential_id is null for a person who called with a token of their own.
create table evconduit.usage_days (
    user_id uuid not null references evconduit.users on delete cascade,
    period timestamptz not null,
    day date not null,
    endpoint text not null,
    credential_id uuid,
    calls integer not null check (calls >= 0),
    -- How many of them call tokens paid for.
    call_tokens integer not null default 0 check (call_tokens between 0 and calls),
    unique nulls not distinct (user_id, period, day, endpoint, credential_id)
) with (fillfactor = 70);
insert into evconduit.usage_days (user_id, period, day, endpoint, credential_id, calls, call_tokens)
select user_id, period, (created_at at time zone 'UTC')::date, endpoint, credential_id, count(*),
       count(*) filter (where paid_by = 'call_tokens')
from evconduit.poll_logs where refunded_at is null
group by user_id, period, (created_at at time zone 'UTC')::date, endpoint, credential_id;

-- Old ones are found by it, to be deleted.
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
