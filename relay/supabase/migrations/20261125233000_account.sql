-- Accounts that are being deleted. Once deleted_at is set, the row is a tombstone, which only records that the id was
-- in use. No foreign key: the row outlives its user.
create table evconduit.deleted_users (
    id uuid primary key,
    requested_at timestamptz not null default now(),
    -- The names of completed steps.
    done text[] not null default '{}',
    -- For the last step, when the user's row is already deleted; cleared by that step.
    supabase_id uuid unique,
    attempts integer not null default 0,
    -- While in the future, a process is working on it, or it waits after a failure.
    next_try_at timestamptz not null default now(),
    failure text,
    deleted_at timestamptz,
    check (deleted_at is null or supabase_id is null)
);
create index deleted_users_unfinished on evconduit.deleted_users (next_try_at) where deleted_at is null;

alter table evconduit.deleted_users enable row level security;
alter table evconduit.deleted_users force row level security;
create policy relay on evconduit.deleted_users for all to evconduit_relay using (true) with check (true);
grant select, insert, update, delete on evconduit.deleted_users to evconduit_relay;

-- Prevents the reuse of an id, and a new account for a user whose deletion is not complete: the deletion's last step
-- would delete the new account's sign-in.
create function evconduit.refuse_deleted_user() returns trigger language plpgsql as $$
begin
    if exists (select from evconduit.deleted_users d
               where d.id = new.id or (d.deleted_at is null and d.supabase_id = new.supabase_id)) then
        raise unique_violation using message = 'this account is being deleted, or was';
    end if;
    return new;
end $$;
revoke all on function evconduit.refuse_deleted_user() from public;
create trigger users_never_come_back before insert on evconduit.users
    for each row execute function evconduit.refuse_deleted_user();
