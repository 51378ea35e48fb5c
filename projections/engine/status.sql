-- standing --
-- What waits beyond the checkpoint and how long; when the checkpoint last moved; what
-- stops it; and the server process of the follower at work.
SELECT waiting.events, waiting.oldest,
       extract(epoch FROM clock_timestamp() - waiting.oldest)::float8 AS seconds,
       generation.moved_at,
       extract(epoch FROM clock_timestamp() - generation.moved_at)::float8 AS still,
       generation.failed_position, generation.failed_reason, generation.failed_at,
       (SELECT min(held.pid)
          FROM pg_locks AS held
         WHERE held.locktype = 'advisory'
           AND held.granted
           AND held.database = (
               SELECT oid FROM pg_database WHERE datname = current_database())
           AND held.objsubid = 1
           AND held.classid::bigint << 32 | held.objid::bigint = %(lock)s::bigint
       ) AS follower
  FROM projection.generation AS generation
 CROSS JOIN (
       SELECT count(*) AS events, min(recorded_at) AS oldest
         FROM ledger.stored_events
        WHERE notification_id > %(checkpoint)s::bigint
       ) AS waiting
 WHERE generation.number = %(number)s::integer;

-- rebuilding --
-- Who holds the one place for a rebuild, and since when.
SELECT rebuild.who, rebuild.began_at
  FROM projection.rebuild AS rebuild
 WHERE EXISTS (
       SELECT 1
         FROM pg_locks AS held
        WHERE held.locktype = 'advisory'
          AND held.granted
          AND held.database = (
              SELECT oid FROM pg_database WHERE datname = current_database())
          AND held.objsubid = 1
          AND held.classid::bigint << 32 | held.objid::bigint = %(lock)s::bigint);

-- readers --
-- Who has had a lock on a served view for longest; readers of single accounts have views
-- of their own.
SELECT held.pid, activity.usename, activity.application_name, activity.xact_start
  FROM pg_locks AS held
  JOIN pg_class AS view
    ON view.oid = held.relation
   AND view.relnamespace IN (
       to_regnamespace('projection'), to_regnamespace('projection_own'))
   AND view.relkind = 'v'
  JOIN pg_stat_activity AS activity ON activity.pid = held.pid
 WHERE held.granted
   AND held.pid <> pg_backend_pid()
   AND held.database = (
       SELECT oid FROM pg_database WHERE datname = current_database())
   AND activity.xact_start IS NOT NULL
 ORDER BY activity.xact_start
 LIMIT 1;

-- sealed --
-- Up to which entry the ledger is sealed, and when that was recorded.
SELECT seal.position, entry.recorded_at
  FROM ledger.sealed_checkpoint AS seal
  LEFT JOIN ledger.stored_events AS entry ON entry.notification_id = seal.position
 ORDER BY seal.tree_size DESC
 LIMIT 1;

-- unsealed --
-- How many entries came after a position; counted up to a limit.
SELECT count(*) AS entries
  FROM (
       SELECT notification_id
         FROM ledger.stored_events
        WHERE notification_id > %(position)s::bigint
        LIMIT %(limit)s::bigint) AS later;

-- undelivered --
-- How many events subscribers did not take.
SELECT count(*) AS events
  FROM ledger.dead_letter;

-- sees_seals --
-- Whether the session may see how far the ledger is sealed, and what was not delivered.
SELECT has_column_privilege('ledger.sealed_checkpoint', 'position', 'SELECT')
   AND has_column_privilege('ledger.dead_letter', 'position', 'SELECT');

-- has_grown --
-- Whether a table is more than twice as long as its statistics know, if they do.
SELECT class.reltuples < 0
       OR pg_catalog.pg_relation_size(class.oid)
          > 2 * class.relpages * current_setting('block_size')::bigint
  FROM pg_catalog.pg_class AS class
 WHERE class.oid = (%(name)s)::regclass
