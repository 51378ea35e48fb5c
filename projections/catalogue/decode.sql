-- seat_type --
-- Every seat type that was added after one position, up to another, behind those that
-- are there from the `starting`. One that is offered again has its row already.
SELECT (stored.version + (SELECT count(*) FROM seat_type WHERE added = 0))::integer
           AS type_no,
       stored.whole ->> 'seat_type' AS name,
       (stored.whole ->> 'exclusive')::boolean AS exclusive,
       stored.position
  FROM (
       SELECT notification_id AS position, originator_version AS version,
              convert_from(state, 'UTF8')::jsonb AS whole,
              row_number() OVER (
                  PARTITION BY convert_from(state, 'UTF8')::jsonb ->> 'seat_type'
                  ORDER BY notification_id) AS nth
         FROM ledger.stored_events
        WHERE originator_id = %(catalogue)s::uuid
          AND topic = 'SeatTypeAdded'
          AND notification_id <= %(until_position)s::bigint
       ) AS stored
 WHERE stored.nth = 1
   AND stored.position > %(after)s::bigint
   AND NOT EXISTS (
       SELECT 1
         FROM seat_type AS listed
        WHERE listed.name = stored.whole ->> 'seat_type'
          AND listed.added < stored.position)
 UNION ALL
SELECT place::integer, name, true, 0
  FROM unnest(%(starting)s::text[]) WITH ORDINALITY AS starting(name, place);
