-- Who may do what. Run after the migrations, each time: what stands here is what holds.
-- The roles cannot log in; give them to whoever does: GRANT seat_ledger_reader TO ann;

-- roles --
-- The four roles, for all databases of the server, and the present login among them.
DO $$
DECLARE
    name text;
    held text := CASE WHEN current_setting('server_version_num')::integer >= 160000
                      THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH name IN ARRAY ARRAY['seat_ledger_owner', 'seat_ledger_writer',
                                'seat_ledger_projector', 'seat_ledger_reader']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- somebody made it at the same moment
            END;
        END IF;
        -- Ours is for membership alone: one that can do more is somebody else's.
        IF EXISTS (SELECT
                     FROM pg_roles
                    WHERE rolname = name
                      AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb
                           OR rolreplication OR rolbypassrls)) THEN
            RAISE EXCEPTION 'the role % is not Seat Ledger''s: it can log in or has '
                'attributes of its own. Rename it, or take them from it (ALTER ROLE % '
                'NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION '
                'NOBYPASSRLS)', name, name;
        END IF;
        -- From 16 on who makes a role is a member that may not take it on.
        IF NOT pg_has_role(name, held) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', name);
        END IF;
    END LOOP;
END;
$$;

-- owners --
-- The write side belongs to the owner, the read side to the projector.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT space.oid, space.nspname,
               CASE space.nspname WHEN 'ledger' THEN 'seat_ledger_owner'
                                  ELSE 'seat_ledger_projector' END AS owner
          FROM pg_namespace AS space
         WHERE space.nspname = ANY (
               string_to_array(current_setting('seat_ledger.schemas'), ','))
    LOOP
        EXECUTE format('ALTER SCHEMA %I OWNER TO %I', one.nspname, one.owner);
        PERFORM pg_temp.own(one.oid, one.nspname, one.owner);
    END LOOP;
END;
$$;

-- grants --
-- What each role may do in the schema of the write side.
REVOKE ALL ON SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ledger
    FROM PUBLIC, seat_ledger_writer, seat_ledger_projector, seat_ledger_reader;
GRANT USAGE ON SCHEMA ledger
    TO seat_ledger_writer, seat_ledger_projector, seat_ledger_reader;

-- What default privileges, or somebody by hand, gave the roles beyond this file, or took
-- from everybody: functions run with their caller's rights, but for those named below.
REVOKE ALL ON ALL SEQUENCES IN SCHEMA ledger
    FROM PUBLIC, seat_ledger_writer, seat_ledger_projector, seat_ledger_reader;
REVOKE ALL ON ALL ROUTINES IN SCHEMA ledger
    FROM seat_ledger_writer, seat_ledger_projector, seat_ledger_reader;
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT oid::regprocedure::text AS signature, prosecdef
          FROM pg_proc
         WHERE pronamespace = 'ledger'::regnamespace
    LOOP
        EXECUTE format(
            CASE WHEN one.prosecdef
                 THEN 'REVOKE ALL ON FUNCTION %s FROM PUBLIC'
                 ELSE 'GRANT EXECUTE ON FUNCTION %s TO seat_ledger_writer, '
                      'seat_ledger_projector, seat_ledger_reader' END,
            one.signature);
    END LOOP;
END;
$$;

GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ledger TO seat_ledger_writer;
REVOKE INSERT ON ledger.schema_migration, ledger.digest_key, ledger.identity,
                 ledger.answered
  FROM seat_ledger_writer;
REVOKE ALL ON ledger.account_reader, ledger.api_token, ledger.subscription,
              ledger.dead_letter
  FROM seat_ledger_writer;
-- Whoever reads the store delivers its events, and keeps how far it came.
GRANT SELECT, INSERT, UPDATE ON ledger.subscription TO seat_ledger_projector;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.dead_letter TO seat_ledger_projector;
-- Whoever serves the API recognises tokens; only the owner makes them.
GRANT SELECT ON ledger.api_token TO seat_ledger_reader, seat_ledger_writer;
GRANT SELECT, USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA ledger TO seat_ledger_writer;
GRANT UPDATE ON ledger.account_head, ledger.snapshots TO seat_ledger_writer;
-- An erasure destroys a key, a name and a digest; the events stay.
GRANT DELETE ON ledger.person_key TO seat_ledger_writer;
GRANT UPDATE (user_key, folded_email, folded_others) ON ledger.user_name TO seat_ledger_writer;
GRANT UPDATE (digest) ON ledger.recorded_command TO seat_ledger_writer;

GRANT EXECUTE ON FUNCTION ledger.rewrite_person_keys(), ledger.rewrite_user_names()
   TO seat_ledger_writer;

GRANT SELECT ON ledger.stored_events, ledger.schema_migration, ledger.person_key,
                ledger.user_name, ledger.sealed_checkpoint, ledger.sealed_tile,
                ledger.identity
   TO seat_ledger_projector;

GRANT SELECT ON ledger.schema_migration, ledger.identity TO seat_ledger_reader;
GRANT SELECT (notification_id, recorded_at) ON ledger.stored_events
   TO seat_ledger_reader;
-- How far the ledger is sealed, and how many events subscribers did not take.
GRANT SELECT (tree_size, position) ON ledger.sealed_checkpoint TO seat_ledger_reader;
GRANT SELECT (subscription_id, position) ON ledger.dead_letter TO seat_ledger_reader;
GRANT SELECT ON SEQUENCE ledger.stored_events_notification_id_seq
   TO seat_ledger_projector, seat_ledger_reader;
-- Whoever answers for an instant notes it, and asks what time it is.
GRANT EXECUTE ON FUNCTION ledger.note_answered(timestamptz), ledger.database_now()
   TO seat_ledger_writer, seat_ledger_projector, seat_ledger_reader;

-- single --
-- The reader of single accounts: the rows of ledger.account_reader say of which.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_roles WHERE rolname = 'seat_ledger_account_reader')
    THEN
        CREATE ROLE seat_ledger_account_reader NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- somebody made it at the same moment
END;
$$;
REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM seat_ledger_account_reader;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA ledger FROM seat_ledger_account_reader;
REVOKE ALL ON ALL ROUTINES IN SCHEMA ledger FROM seat_ledger_account_reader;
GRANT USAGE ON SCHEMA ledger TO seat_ledger_account_reader;
GRANT SELECT ON ledger.schema_migration TO seat_ledger_account_reader;
-- Its own, by a function that runs as the tables' owner (projections/own.sql).
REVOKE ALL ON FUNCTION ledger.readable_accounts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.readable_accounts()
   TO seat_ledger_account_reader, seat_ledger_projector;
GRANT EXECUTE ON FUNCTION ledger.note_answered(timestamptz), ledger.database_now()
   TO seat_ledger_account_reader;

-- making --
-- The projector makes generations, each a schema of its own.
DO $$
BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO seat_ledger_projector',
                   current_database());
    IF NOT has_database_privilege(
        'seat_ledger_projector', current_database(), 'CREATE')
    THEN  -- without the right to, only a warning says so
        RAISE insufficient_privilege;
    END IF;
END;
$$;

-- watching --
-- The projector tells who holds a switch up.
GRANT pg_read_all_stats TO seat_ledger_projector;

-- connecting --
-- Who has none of the roles has no business here: it could hold up every append and
-- every question by a lock alone. Not where others keep tables of theirs as well.
DO $$
DECLARE
    one record;
BEGIN
    IF EXISTS (
        SELECT
          FROM pg_class AS class
          JOIN pg_namespace AS space ON space.oid = class.relnamespace
         WHERE class.relkind IN ('r', 'p', 'm', 'v', 'f')
           AND space.nspname <> ALL (
               string_to_array(current_setting('seat_ledger.schemas'), ','))
           AND space.nspname <> 'information_schema'
           AND space.nspname !~ '^pg_')
    THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC',
                   current_database());
    IF has_database_privilege('public', current_database(), 'CONNECT') THEN
        RAISE insufficient_privilege;
    END IF;
    FOR one IN  -- whoever was given anything of the ledger's, by name
        SELECT DISTINCT role.rolname
          FROM pg_namespace AS space
         CROSS JOIN LATERAL aclexplode(space.nspacl) AS given
          JOIN pg_roles AS role ON role.oid = given.grantee
         WHERE space.nspname = ANY (
               string_to_array(current_setting('seat_ledger.schemas'), ','))
           OR role.rolname IN ('seat_ledger_owner', 'seat_ledger_projector')
    LOOP
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I',
                       current_database(), one.rolname);
    END LOOP;
END;
$$;
