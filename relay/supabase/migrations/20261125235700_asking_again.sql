-- A user who requests a sign-in link again within a minute gets no second email, so the first email's link must still
-- work.

-- Code verifiers of earlier attempts in the same browser, for the same address. Deleted together with code_verifier.
alter table evconduit.sign_in_attempts add column earlier_verifiers text[] not null default '{}';
