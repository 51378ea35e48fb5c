-- A generation's tables once more, for readers of single accounts: of each a view with
-- its name and columns, over a function that runs as its owner and hands out the rows of
-- the accounts that the session may read, and the prices that are for all. Who asks has
-- no right to any table, so no plan of theirs reaches one: EXPLAIN shows a function and
-- how many own rows it returned, and the statistics of what is not theirs are nobody's
-- to see.
-- Run with the schema of the views first in the search path, the generation's second.
DO $$
DECLARE
    own name := pg_catalog.current_schema();
    tables name := (pg_catalog.current_schemas(false))[2];
    table_name name;
    scope text;
BEGIN
    FOR table_name IN
        SELECT its.relname
          FROM pg_catalog.pg_class AS its
         WHERE its.relnamespace = tables::regnamespace
           AND its.relkind = 'r'
    LOOP
        scope := CASE
            WHEN table_name = 'seat_type' THEN 'true'
            WHEN table_name IN ('account', 'set_aside') THEN 'account_id = ANY (ledger.readable_accounts())'
            ELSE CASE WHEN table_name = 'journal'
                 THEN '(account_no = 0 AND topic = ''PriceSet'') OR ' ELSE '' END
                || pg_catalog.format(
                'account_no = ANY (ARRAY('
                'SELECT mine.account_no FROM %I.account AS mine '
                'WHERE mine.account_id = ANY (ledger.readable_accounts())))', tables)
        END;
        EXECUTE pg_catalog.format(
            'CREATE FUNCTION %1$I.%2$I() RETURNS SETOF %3$I.%4$I '
            'LANGUAGE sql STABLE SECURITY DEFINER '
            'SET search_path = pg_catalog, pg_temp '
            'SET client_min_messages = warning '
            'AS %5$L',
            own, table_name || '_rows', tables, table_name,
            pg_catalog.format(
                'SELECT its.* FROM %I.%I AS its WHERE %s', tables, table_name, scope));
        EXECUTE pg_catalog.format(
            'REVOKE ALL ON FUNCTION %I.%I() FROM PUBLIC', own, table_name || '_rows');
        EXECUTE pg_catalog.format(
            'GRANT EXECUTE ON FUNCTION %I.%I() TO seat_ledger_account_reader',
            own, table_name || '_rows');
        EXECUTE pg_catalog.format(
            'CREATE VIEW %1$I.%2$I AS SELECT * FROM %1$I.%3$I()',
            own, table_name, table_name || '_rows');
    END LOOP;
END;
$$;
