-- A generation's tables once more, for readers of single accounts. Each is a parent of
-- the real table and holds nothing itself: what is asked of it goes by its own policy,
-- and what is asked of the real table knows of no policy, and costs what it always did.
-- Run with the schema of the parents first in the search path, the generation's second.
DO $$
DECLARE
    own name := current_schema();
    kept name := (current_schemas(false))[2];
    one name;
BEGIN
    FOR one IN
        SELECT made.relname
          FROM pg_class AS made
         WHERE made.relnamespace = kept::regnamespace
           AND made.relkind = 'r'
    LOOP
        EXECUTE format('CREATE TABLE %I.%I (LIKE %I.%I)', own, one, kept, one);
        EXECUTE format('ALTER TABLE %I.%I INHERIT %I.%I', kept, one, own, one);
        EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', own, one);
        IF one IN ('account', 'set_aside') THEN
            EXECUTE format('CREATE POLICY own ON %I.%I FOR SELECT '
                           'USING (account_id = ANY (ARRAY('
                           'SELECT granted.account_id '
                           'FROM ledger.account_reader AS granted)))', own, one);
        END IF;
    END LOOP;
    FOR one IN
        SELECT made.relname
          FROM pg_class AS made
          JOIN pg_attribute AS its
            ON its.attrelid = made.oid
           AND its.attname = 'account_no'
         WHERE made.relnamespace = own::regnamespace
           AND made.relkind = 'r'
           AND made.relname NOT IN ('account', 'set_aside')
    LOOP
        EXECUTE format('CREATE POLICY own ON %I.%I FOR SELECT '
                       'USING (account_no = ANY (ARRAY('
                       'SELECT mine.account_no FROM %I.account AS mine)))',
                       own, one, own);
    END LOOP;
END;
$$;
