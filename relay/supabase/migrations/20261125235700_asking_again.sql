-- Who asks for a link again within a minute gets no second mail, and the first one may want the verifier that went with it.

-- Of the same browser, for the same address. Gone with the newest one.
alter table evconduit.sign_in_attempts add column earlier_verifiers text[] not null default '{}';
