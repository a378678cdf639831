-- Supabase's rate limit applies to the relay's IP address, so attempts are limited before one user exhausts it for all.
alter table evconduit.sign_in_attempts add column tries int not null default 0;
