-- Earlier releases granted the relay everything on the tables of jobs. With the privilege `trigger`, an injected statement
-- could have attached a function to one of them, which runs as the owner when the owner writes to the table.
do $$
begin
    if to_regclass('procrastinate.procrastinate_jobs') is not null then
        revoke all on all tables in schema procrastinate from evconduit_relay;
        revoke all on all sequences in schema procrastinate from evconduit_relay;
        grant select, insert, update, delete on all tables in schema procrastinate to evconduit_relay;
        grant usage on all sequences in schema procrastinate to evconduit_relay;
    end if;
end $$;
