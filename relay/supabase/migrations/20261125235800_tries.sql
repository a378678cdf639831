-- Supabase counts what all people ask of it by one address, the relay's: nobody may use that up for the others.
alter table evconduit.sign_in_attempts add column tries int not null default 0;
