-- The relay checks at each start whether its database is up to date. Its login owns nothing, so it needs to be allowed
-- to read which migrations were applied. The Supabase CLI and `evconduit migrate` create the table before migrating.
do $$
begin
    if to_regclass('supabase_migrations.schema_migrations') is not null then
        grant usage on schema supabase_migrations to evconduit_relay;
        grant select (version) on supabase_migrations.schema_migrations to evconduit_relay;
    end if;
end $$;
