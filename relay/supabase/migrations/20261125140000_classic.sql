-- A classic client may have Enode asked about its user's cars; this is when that was last done.
alter table evconduit.users add column refreshed_at timestamptz;
