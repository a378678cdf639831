-- A level that can't be true is held, and a vehicle that can't be reached isn't shown as charging for long. held_since
-- is when the held level was first reported, review_at when something else is shown though nothing was reported. Enode
-- is asked once for each held level: refresh_asked_for is the held_since for which it was.
alter table evconduit.vehicles
    add column held_since timestamptz,
    add column review_at timestamptz,
    add column refresh_asked_for timestamptz;
create index vehicles_review_at on evconduit.vehicles (review_at) where review_at is not null;
create index vehicles_held_since on evconduit.vehicles (held_since) where held_since is not null;
