-- An id that a Home Assistant sends, so that its new sign-in replaces its previous one. The name can't serve for that:
-- two homes of one user may have the same name.

alter table evconduit.oauth_codes add column installation text;
alter table evconduit.oauth_grants add column installation text;
create index oauth_grants_installation on evconduit.oauth_grants (user_id, installation)
    where installation is not null and revoked_at is null;

-- Deleting a grant deletes its code; this index finds it.
create index oauth_codes_grant on evconduit.oauth_codes (grant_id) where grant_id is not null;
