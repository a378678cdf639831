-- What an operator watches and switches: how Enode's webhook does, forged deliveries, users that are switched off.

-- How it goes with Enode's webhook. Written by the keeper (asked_at, failing_since, error) and by the watch (the rest).
create table evconduit.enode_health (
    account_id text primary key,
    asked_at timestamptz,
    failing_since timestamptz,
    error text,
    state text not null default 'starting'
        check (state in ('starting', 'ok', 'unreachable', 'inactive', 'signature_failures', 'silent')),
    since timestamptz not null default now(),
    -- The state that the operator was last told of.
    alerted_state text,
    alerted_at timestamptz,
    reconciled_at timestamptz,
    created_at timestamptz not null default now()
);

-- Deliveries whose signature was missing or wrong, counted by the minute. Of the deliveries themselves nothing is kept.
create table evconduit.signature_failures (
    minute timestamptz primary key,
    count integer not null check (count > 0)
);

-- Whether Enode's last test delivery reached us; null before the first.
alter table evconduit.webhook_subscriptions add column test_succeeded boolean;

-- Switched off by the operator: credentials are refused, what Enode tells is kept all the same.
alter table evconduit.users add column disabled_at timestamptz;

-- Those that a person shall look at are few among all that are kept.
create index webhook_logs_set_aside on evconduit.webhook_logs (id) where state = 'set_aside';

-- Put through the drain once more by an operator: nothing that comes of it is told as if it happened now.
alter table evconduit.webhook_logs add column replayed_at timestamptz;
alter table evconduit.transitions add column live boolean not null default true;

do $$
declare
    it text;
begin
    foreach it in array array['enode_health', 'signature_failures'] loop
        execute format('alter table evconduit.%I enable row level security', it);
        execute format('alter table evconduit.%I force row level security', it);
        execute format('create policy relay on evconduit.%I for all to evconduit_relay using (true) with check (true)', it);
        execute format('grant select, insert, update, delete on evconduit.%I to evconduit_relay', it);
    end loop;
end $$;
