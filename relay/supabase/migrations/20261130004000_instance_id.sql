-- Identifies this relay to Home Assistant at whatever address it is found. It isn't a secret. A restored backup keeps it.
insert into evconduit.settings (key, value)
values ('instance_id', to_jsonb(gen_random_uuid()::text)) on conflict do nothing;
