-- Accounts that are being deleted, and, once deleted_at stands, the tombstone of those that are: no more than that this
-- id was given out. No foreign key: the row outlives its user.
create table evconduit.deleted_users (
    id uuid primary key,
    requested_at timestamptz not null default now(),
    -- The steps that are behind it, by name.
    done text[] not null default '{}',
    -- Needed for the last step, when the user's own row has gone; forgotten with it.
    supabase_id uuid unique,
    attempts integer not null default 0,
    -- While in the future, somebody is at it, or it rests after a failure.
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

-- An id is never given out again; a person whose account is being deleted gets no new one before that is done: the last
-- step would take the new one's sign-in away.
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
