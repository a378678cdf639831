-- Operations: health of Enode's webhook, counts of invalid signatures, disabled users, replay of events.

-- Health of Enode's webhook. The subscription check writes asked_at, failing_since and error, the monitor the rest.
create table evconduit.enode_health (
    account_id text primary key,
    asked_at timestamptz,
    failing_since timestamptz,
    error text,
    state text not null default 'starting'
        check (state in ('starting', 'ok', 'unreachable', 'inactive', 'signature_failures', 'silent')),
    since timestamptz not null default now(),
    -- The state in the last alert to the operator.
    alerted_state text,
    alerted_at timestamptz,
    reconciled_at timestamptz,
    created_at timestamptz not null default now()
);

-- Deliveries with a missing or wrong signature, per minute. Only the count is stored, never the delivery.
create table evconduit.signature_failures (
    minute timestamptz primary key,
    count integer not null check (count > 0)
);

-- Whether Enode's last test event arrived; null before the first one.
alter table evconduit.webhook_subscriptions add column test_succeeded boolean;

-- Set when the operator disabled the user: credentials are rejected, Enode's events are still stored.
alter table evconduit.users add column disabled_at timestamptz;

-- Finds the few set-aside bodies, which the operator has to inspect, among all rows.
create index webhook_logs_set_aside on evconduit.webhook_logs (id) where state = 'set_aside';

-- Set when an operator replayed the event: its transitions are not live, so they cause no notifications.
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
