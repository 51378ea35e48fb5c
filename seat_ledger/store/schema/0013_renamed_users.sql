-- A user may be renamed (R95). Whatever else the user was called, folded, stands in the row
-- of the name that the user was added under: an erasure overwrites one row.
ALTER TABLE ledger.user_name
    ADD COLUMN folded_others text[] COLLATE "C" NOT NULL DEFAULT '{}';
ALTER TABLE ledger.user_name ALTER COLUMN folded_others SET STATISTICS 0;
COMMENT ON TABLE ledger.user_name IS
    'One row is one user ever added: finds the id by all keys and e-mails. Personal data.';
CREATE INDEX user_name_by_others ON ledger.user_name USING gin (folded_others)
 WHERE folded_others <> '{}';

-- An erasure overwrites the key; all that the user was called goes with it.
CREATE OR REPLACE FUNCTION ledger.fold_with_key() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.folded_key := NEW.user_key;
    NEW.folded_others := '{}';
    RETURN NEW;
END;
$$;

-- The directory finds the renamings of a range of positions.
CREATE INDEX stored_events_of_renamings ON ledger.stored_events (notification_id)
 WHERE topic = 'UserRenamed';
