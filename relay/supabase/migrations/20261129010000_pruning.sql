-- Forgetting dead tokens finds them by these, and never reads those that live.

-- Pairs in use, by their first use, for as long as there is still the pair that they took the place of.
create index oauth_tokens_superseding on evconduit.oauth_tokens (used_at) where replaces is not null;

-- Also: when a grant last got a pair.
create index oauth_tokens_grant_created on evconduit.oauth_tokens (grant_id, created_at);
drop index evconduit.oauth_tokens_grant;
