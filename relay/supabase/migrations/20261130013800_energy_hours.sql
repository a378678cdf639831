-- Clients read the hours of energy that have changed, and the cost of everything that was charged.

-- Rises with each change of an hour. The lock of the user's feed makes its order that of the commits of a vehicle.
create sequence evconduit.charging_hours_revision;
grant usage on sequence evconduit.charging_hours_revision to evconduit_relay;
alter table evconduit.charging_hours
    add column revision bigint not null default nextval('evconduit.charging_hours_revision');
create index charging_hours_changed on evconduit.charging_hours (vehicle_id, revision);

-- The sum of charging_hours.cost by currency, so that a vehicle's record needs no sum over years.
-- since: when the sum began; it never changes. last_hour: the latest hour with a cost in this currency.
create table evconduit.charging_costs (
    vehicle_id uuid not null references evconduit.vehicles on delete cascade deferrable initially deferred,
    currency text not null,
    amount double precision not null,
    since timestamptz not null default now(),
    last_hour timestamptz not null,
    primary key (vehicle_id, currency)
);
insert into evconduit.charging_costs (vehicle_id, currency, amount, since, last_hour)
select vehicle_id, currency, sum(cost), min(hour), max(hour) from evconduit.charging_hours
where cost is not null and currency is not null group by vehicle_id, currency;

-- Whatever changes an hour keeps the sum. An hour without a currency costs nothing, or an unknown amount.
create function evconduit.sum_up_hour_cost() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' and old.cost is not null and old.currency is not null then
        update evconduit.charging_costs set amount = amount - old.cost
        where vehicle_id = old.vehicle_id and currency = old.currency;
    end if;
    if tg_op <> 'DELETE' and new.cost is not null and new.currency is not null then
        insert into evconduit.charging_costs as c (vehicle_id, currency, amount, last_hour)
        values (new.vehicle_id, new.currency, new.cost, new.hour)
        on conflict (vehicle_id, currency) do update
        set (amount, last_hour) = (c.amount + excluded.amount, greatest(c.last_hour, excluded.last_hour));
    end if;
    return null;
end $$;
revoke all on function evconduit.sum_up_hour_cost() from public;
create trigger charging_hours_sum_up_cost after insert or update or delete on evconduit.charging_hours
    for each row execute function evconduit.sum_up_hour_cost();

alter table evconduit.charging_costs enable row level security;
alter table evconduit.charging_costs force row level security;
create policy relay on evconduit.charging_costs for all to evconduit_relay using (true) with check (true);
grant select, insert, update, delete on evconduit.charging_costs to evconduit_relay;
