-- What an erasure destroys stands in its row and nowhere else.

-- ANALYZE copies values into pg_statistic, where no erasure reaches them. A target of 0
-- keeps it from that, but leaves what is there; giving a column its own type once more
-- removes it, rewrites nothing, and needs no more than the table's ownership.
ALTER TABLE ledger.person_key
    ALTER COLUMN key SET STATISTICS 0,
    ALTER COLUMN key TYPE pg_catalog.bytea;
ALTER TABLE ledger.digest_key
    ALTER COLUMN key SET STATISTICS 0,
    ALTER COLUMN key TYPE pg_catalog.bytea;
ALTER TABLE ledger.user_name
    ALTER COLUMN user_key SET STATISTICS 0,
    ALTER COLUMN user_key TYPE pg_catalog.text COLLATE pg_catalog."C",
    ALTER COLUMN folded_email SET STATISTICS 0,
    ALTER COLUMN folded_email TYPE pg_catalog.text COLLATE pg_catalog."C";
ALTER TABLE ledger.recorded_command
    ALTER COLUMN digest SET STATISTICS 0,
    ALTER COLUMN digest TYPE pg_catalog.bytea;
ALTER TABLE ledger.snapshots ALTER COLUMN state SET STATISTICS 0;
ALTER TABLE ledger.stored_events ALTER COLUMN state SET STATISTICS 0;

-- An erasure of a person finds the rows to be rewritten.
ALTER TABLE ledger.person_key CLUSTER ON person_key_pkey;
ALTER TABLE ledger.user_name CLUSTER ON user_name_pkey;

-- Names in functions mean what they meant here, whatever the caller's path says.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT its.oid::regprocedure AS signature, its.prosecdef AS runs_as_owner
          FROM pg_catalog.pg_proc AS its
         WHERE its.pronamespace = 'ledger'::regnamespace
           AND its.prokind = 'f'
    LOOP
        EXECUTE pg_catalog.format(
            'ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', made.signature);
        IF made.runs_as_owner THEN
            EXECUTE pg_catalog.format(
                'REVOKE ALL ON FUNCTION %s FROM PUBLIC', made.signature);
        END IF;
    END LOOP;
END;
$$;

-- A row that is deleted or overwritten stays in its page, and VACUUM frees its place
-- without clearing it. A table that is rewritten has pages of what is there alone.
-- Each table in a transaction of its own, so that nobody waits for two at once.
CREATE FUNCTION ledger.rewrite_person_keys() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s' AS $$
BEGIN
    CLUSTER ledger.person_key USING person_key_pkey;
END;
$$;
CREATE FUNCTION ledger.rewrite_user_names() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s' AS $$
BEGIN
    CLUSTER ledger.user_name USING user_name_pkey;
END;
$$;
REVOKE ALL ON FUNCTION ledger.rewrite_person_keys(), ledger.rewrite_user_names()
    FROM PUBLIC;

-- A server may log the values that statements are given, and never what they return. So
-- a session is given a secret, and what an erasure must destroy is sent under it.
CREATE FUNCTION ledger.new_wrapping() RETURNS bytea
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    secret bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                           || uuid_send(gen_random_uuid()));
BEGIN
    PERFORM set_config('seat_ledger.wrapping', encode(secret, 'hex'), false);
    RETURN secret;
END;
$$;
COMMENT ON FUNCTION ledger.new_wrapping() IS
    'Makes the secret under which this session is sent keys, e-mails and names.';

-- The first eight bytes make the stream of this text another than every other's.
CREATE FUNCTION ledger.unwrapped_bytes(wrapped bytea) RETURNS bytea
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    size integer := octet_length(wrapped) - 8;
    secret bytea := decode(current_setting('seat_ledger.wrapping'), 'hex')
                    || substr(wrapped, 1, 8);
    stream bytea;
BEGIN
    IF size <= 0 THEN
        RETURN CASE WHEN size = 0 THEN ''::bytea END;
    ELSIF size <= 32 THEN
        stream := sha256(secret || '\x00000000'::bytea);
    ELSE
        stream := (SELECT string_agg(sha256(secret || int4send(block)), ''::bytea
                                     ORDER BY block)
                     FROM generate_series(0, (size - 1) / 32) AS block);
    END IF;
    RETURN substr(varbit_send(
        ('x' || encode(substr(wrapped, 9), 'hex'))::varbit
        # ('x' || encode(substr(stream, 1, size), 'hex'))::varbit), 5);
END;
$$;
CREATE FUNCTION ledger.unwrapped(wrapped bytea) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN convert_from(ledger.unwrapped_bytes(wrapped), 'UTF8');
END;
$$;

-- Which accounts the session may read, as itself or as the role that it took on. A
-- function that runs as its owner still sees both, and neither can be forged.
CREATE FUNCTION ledger.readable_accounts() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT granted.account_id), '{}')
      FROM ledger.account_reader AS granted
      JOIN pg_catalog.pg_roles AS role ON role.rolname = granted.login
     WHERE pg_has_role(
               CASE current_setting('role')
                    WHEN 'none' THEN session_user
                    ELSE current_setting('role')::name
               END, role.oid, 'USAGE');
$$;
