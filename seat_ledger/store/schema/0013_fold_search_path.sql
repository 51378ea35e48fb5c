-- What a name in the function means is said in full: without pg_temp at the end,
-- a temporary relation is looked for before those of pg_catalog.
ALTER FUNCTION ledger.fold_with_key() SET search_path = pg_catalog, pg_temp;
