-- A row without a price ends the one before: from then on, the price is unknown. Prices at a power exchange can be
-- negative.
alter table evconduit.electricity_rates
    alter column cost_per_kwh drop not null,
    alter column currency drop not null,
    drop constraint electricity_rates_cost_per_kwh_check,
    add constraint electricity_rates_complete check ((cost_per_kwh is null) = (currency is null));
