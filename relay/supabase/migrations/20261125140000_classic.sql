-- The last refresh of all of the user's vehicles at Enode that a classic client requested.
alter table evconduit.users add column refreshed_at timestamptz;
