-- Signed-in browsers are listed on the profile page. `id` names a session in forms, because the token is a secret.
-- `browser` is what it called itself, such as "Firefox, Android"; empty if unknown.
alter table evconduit.web_sessions add column id uuid not null default gen_random_uuid();
alter table evconduit.web_sessions add column browser text not null default '' check (length(browser) <= 60);
create unique index web_sessions_id on evconduit.web_sessions (id);
