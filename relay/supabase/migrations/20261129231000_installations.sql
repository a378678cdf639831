-- An installation changes only its own classic webhooks: two installations of an account may use the same webhook id or
-- register for the same vehicle, and each has its own row.
drop index evconduit.endpoints_webhook;
drop index evconduit.endpoints_car;
create unique index endpoints_webhook on evconduit.endpoints (credential_id, webhook_id) where kind = 'classic';
create unique index endpoints_car on evconduit.endpoints (credential_id, vehicle_id)
    where kind = 'classic' and vehicle_id is not null;
