-- Indexes for pruning expired OAuth tokens without reading valid ones.

-- Used pairs, by first use, as long as the pair that they replaced still exists.
create index oauth_tokens_superseding on evconduit.oauth_tokens (used_at) where replaces is not null;

-- Also finds a grant's newest pair.
create index oauth_tokens_grant_created on evconduit.oauth_tokens (grant_id, created_at);
drop index evconduit.oauth_tokens_grant;
