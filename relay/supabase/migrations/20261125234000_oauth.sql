-- What a Home Assistant calls itself so that its newest sign-in takes the place of the one before: two homes of one
-- person may have the same name, so the name says nothing.

alter table evconduit.oauth_codes add column installation text;
alter table evconduit.oauth_grants add column installation text;
create index oauth_grants_installation on evconduit.oauth_grants (user_id, installation)
    where installation is not null and revoked_at is null;

-- A grant that goes takes its code with it.
create index oauth_codes_grant on evconduit.oauth_codes (grant_id) where grant_id is not null;
