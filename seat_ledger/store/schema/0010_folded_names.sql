-- Keys and e-mails as they are compared: folded by the program, in one way (R35). A key
-- is one exactly; its folded form tells where it could be taken for another's e-mail.
-- What is recorded already is folded anew, row by row, by the program.
ALTER TABLE ledger.user_name ADD COLUMN folded_key text COLLATE "C";
ALTER TABLE ledger.user_name ALTER COLUMN folded_key SET STATISTICS 0;
CREATE INDEX user_name_by_folded_key ON ledger.user_name (account_id, folded_key);
DROP INDEX ledger.user_name_by_key;

-- An erasure overwrites the key; its folded form goes with it.
CREATE FUNCTION ledger.fold_with_key() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.folded_key := NEW.user_key;
    RETURN NEW;
END;
$$;
CREATE TRIGGER fold_with_key BEFORE UPDATE OF user_key ON ledger.user_name
    FOR EACH ROW EXECUTE FUNCTION ledger.fold_with_key();
