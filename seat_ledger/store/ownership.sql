-- Which schemas of a database are the ledger's: by a mark that was made with them, or, of
-- before there were marks, by what only this program makes. A name alone says nothing.

-- schemas --
-- Every schema of a name that the ledger uses; whether it is the ledger's; and what is in
-- it. Those of an empty schema that the login owns may be used: `taken` is false.
WITH space AS (
    SELECT one.oid, one.nspname::pg_catalog.text AS name, one.nspowner,
           coalesce(pg_catalog.obj_description(one.oid, 'pg_namespace'), '') AS remark
      FROM pg_catalog.pg_namespace AS one
     WHERE one.nspname = 'ledger'
        OR one.nspname ~ '^projection(_[0-9]+)?(_own)?$'
), content AS (
    SELECT relnamespace AS space, relname::pg_catalog.text AS name,
           relkind::pg_catalog.text AS kind,
           (SELECT pg_catalog.array_agg(attname::pg_catalog.text ORDER BY attnum)
              FROM pg_catalog.pg_attribute
             WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped) AS columns
      FROM pg_catalog.pg_class AS class
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
     UNION ALL
    SELECT pronamespace, proname::pg_catalog.text, 'function', NULL
      FROM pg_catalog.pg_proc
     UNION ALL
    SELECT typnamespace, typname::pg_catalog.text, 'type', NULL
      FROM pg_catalog.pg_type
     WHERE typtype IN ('e', 'd', 'r')
)
SELECT space.name,
       space.remark = ANY (%(marks)s::pg_catalog.text[])
       OR EXISTS (
           SELECT
             FROM content
             JOIN pg_catalog.jsonb_array_elements(
                      %(tables)s::pg_catalog.jsonb) AS known(one)
               ON known.one ->> 'table' = content.name
              AND space.name ~ (known.one ->> 'schema')
              AND pg_catalog.to_jsonb(content.columns) @> (known.one -> 'columns')
            WHERE content.space = space.oid) AS ours,
       pg_catalog.pg_has_role(space.nspowner, 'USAGE') AS owned,
       coalesce((
           SELECT pg_catalog.array_agg(
                      content.kind || ' ' || content.name ORDER BY content.name)
             FROM content
            WHERE content.space = space.oid), '{}') AS holds
  FROM space
 ORDER BY space.name;

-- foreign --
-- What stands in the ledger's own schema and was made by none of its migrations.
SELECT CASE class.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                          WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                          ELSE 'table' END || ' ' || class.relname
  FROM pg_catalog.pg_class AS class
 WHERE class.relnamespace = pg_catalog.to_regnamespace('ledger')
   AND class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
   AND class.relname <> ALL (%(names)s::pg_catalog.text[])
   AND NOT EXISTS (
       SELECT
         FROM pg_catalog.pg_depend AS of
        WHERE of.objid = class.oid
          AND of.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND of.deptype IN ('a', 'i'))
 UNION ALL
SELECT 'function ' || routine.proname
  FROM pg_catalog.pg_proc AS routine
 WHERE routine.pronamespace = pg_catalog.to_regnamespace('ledger')
   AND routine.proname <> ALL (%(names)s::pg_catalog.text[])
 UNION ALL
SELECT 'type ' || kind.typname
  FROM pg_catalog.pg_type AS kind
 WHERE kind.typnamespace = pg_catalog.to_regnamespace('ledger')
   AND kind.typtype IN ('e', 'd', 'r')
   AND kind.typname <> ALL (%(names)s::pg_catalog.text[])
 ORDER BY 1;

-- dependents --
-- Views of somebody else's that read what stands in a schema: they would go with it.
SELECT DISTINCT view.oid::pg_catalog.regclass::pg_catalog.text
  FROM pg_catalog.pg_class AS source
  JOIN pg_catalog.pg_depend AS needed
    ON needed.refobjid = source.oid
   AND needed.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_rewrite AS rule
    ON rule.oid = needed.objid
   AND needed.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  JOIN pg_catalog.pg_class AS view ON view.oid = rule.ev_class
  JOIN pg_catalog.pg_namespace AS space ON space.oid = view.relnamespace
 WHERE source.relnamespace = pg_catalog.to_regnamespace(%(schema)s)
   AND space.nspname <> ALL (%(ours)s::pg_catalog.text[])
 ORDER BY 1;
