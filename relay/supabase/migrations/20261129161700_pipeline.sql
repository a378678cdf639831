-- Odd values that Enode may send, and endpoints whose first delivery wasn't acknowledged.

-- A cast would fail for "maybe", and with it the whole event: anything but true and false is unknown.
alter table evconduit.vehicles drop column online;
alter table evconduit.vehicles add column online boolean generated always as (
    case vehicle_cache -> 'isReachable' when 'true'::jsonb then true when 'false'::jsonb then false end
) stored;

alter table evconduit.endpoints
    -- Where the feed was when the first delivery began. It may have arrived without being acknowledged, so transitions
    -- after it are sent again until an acknowledgement sets `epoch` and `seq`.
    add column first_epoch text,
    add column first_seq bigint,
    add constraint endpoints_first_check check ((first_epoch is null) = (first_seq is null));
