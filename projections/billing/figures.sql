-- kept_periods --
-- The periods of a range of accounts, as kept.
SELECT account_no, period_no, starts, ends, days, day_starts
  FROM billing_period
 WHERE account_no >= %(first)s::bigint
   AND account_no <= %(last)s::bigint

-- kept_steps --
-- Their counts, as kept.
SELECT account_no, seat_type, at, purchased, assigned, bought, retired, given, taken
  FROM seat_count
 WHERE account_no >= %(first)s::bigint
   AND account_no <= %(last)s::bigint

-- kept_held --
-- Their holdings, as kept.
SELECT account_no, seat_type, number, user_no, held_from, held_until
  FROM seat_holding
 WHERE account_no >= %(first)s::bigint
   AND account_no <= %(last)s::bigint
   AND NOT reversed

-- given_periods --
-- Periods and windows that the caller computed.
SELECT given.account_no, given.period_no, given.starts, given.ends,
       cardinality(given.day_starts::timestamptz[]) AS days,
       given.day_starts::timestamptz[] AS day_starts
  FROM unnest(
       %(account_nos)s::bigint[], %(period_nos)s::integer[],
       %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(day_starts)s::text[]
       ) AS given(account_no, period_no, starts, ends, day_starts)

-- known_steps --
-- The counts of some accounts, knowing the events up to a position.
SELECT account_no, seat_type, at, purchased, assigned, bought, retired, given, taken
  FROM seat_count_at(%(known)s::bigint)
 WHERE account_no = ANY (%(wanted)s::bigint[])

-- known_held --
-- The holdings of some accounts, knowing the events up to a position.
SELECT account_no, seat_type, number, user_no, held_from, held_until
  FROM seat_holding_at(%(known)s::bigint)
 WHERE account_no = ANY (%(wanted)s::bigint[])
   AND NOT reversed

-- touched_periods --
-- The periods that a batch of events may have changed: of each account, from the
-- earliest instant that was touched on.
SELECT period.account_no, period.period_no, period.starts, period.ends, period.days,
       period.day_starts
  FROM (SELECT account_no, min(since) AS since
          FROM unnest(%(account_nos)s::bigint[], %(sinces)s::timestamptz[])
               AS touched(account_no, since)
         GROUP BY account_no) AS touched
 CROSS JOIN LATERAL (
       SELECT account_no, period_no, starts, ends, days, day_starts
         FROM billing_period
        WHERE account_no = touched.account_no
          AND ends > touched.since
       OFFSET 0) AS period

-- touched_types --
-- The touched types, and from where on they are counted anew.
SELECT given.account_no, given.seat_type, min(period.starts) AS starts,
       min(period.period_no) AS first_no
  FROM unnest(%(type_accounts)s::bigint[], %(types)s::seat_type_name[])
       AS given(account_no, seat_type)
  JOIN period ON period.account_no = given.account_no
 GROUP BY given.account_no, given.seat_type

-- touched_steps --
-- The counts from the start of those periods on, and the last ones before.
SELECT step.account_no, step.seat_type, step.at, step.purchased, step.assigned,
       step.bought, step.retired, step.given, step.taken
  FROM touched_types AS touched
 CROSS JOIN LATERAL (
       (SELECT account_no, seat_type, at, purchased, assigned, bought, retired,
               given, taken
          FROM seat_count
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND at <= touched.starts
         ORDER BY at DESC
         LIMIT 1)
       UNION ALL
       (SELECT account_no, seat_type, at, purchased, assigned, bought, retired,
               given, taken
          FROM seat_count
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND at > touched.starts)) AS step

-- touched_held --
-- The holdings that begin or end after the start of those periods.
SELECT held.account_no, held.seat_type, held.number, held.user_no, held.held_from,
       held.held_until
  FROM touched_types AS touched
 CROSS JOIN LATERAL (
       (SELECT account_no, seat_type, number, user_no, held_from, held_until
          FROM seat_holding
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND NOT reversed
           AND held_until >= touched.starts)
       UNION ALL
       (SELECT account_no, seat_type, number, user_no, held_from, held_until
          FROM seat_holding
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND NOT reversed
           AND held_until IS NULL
           AND held_from > touched.starts)) AS held

-- figures --
-- The figures of each period and seat type, by every counting rule (R53, R55). Needs
-- `period`, `step` and `held`; periods of one account follow each other without gaps.
-- Everything is linear in the steps and holdings: what spans a whole period is counted
-- from the opening, and only what begins or ends inside it is looked at.
bounds AS MATERIALIZED (
    SELECT account_no, min(period_no) AS first_no, count(*)::integer AS periods,
           array_agg(starts ORDER BY period_no) || max(ends) AS bounds
      FROM period
     GROUP BY account_no
),
-- Each step until the next one, once for each period that it reaches into.
spread AS (
    SELECT segment.account_no, segment.seat_type, segment.at, segment.next_at,
           segment.purchased, segment.assigned, segment.bought, segment.retired,
           segment.given, segment.taken,
           bounds.first_no - 1 + generate_series(
               greatest(1, width_bucket(segment.at, bounds.bounds)),
               CASE
                   WHEN segment.next_at IS NULL THEN bounds.periods
                   ELSE least(bounds.periods, width_bucket(
                       segment.next_at - interval '1 microsecond', bounds.bounds))
               END
           ) AS period_no
      FROM (
           SELECT step.*,
                  lead(step.at) OVER (
                      PARTITION BY step.account_no, step.seat_type ORDER BY step.at
                  ) AS next_at
             FROM step
           ) AS segment
      JOIN bounds ON bounds.account_no = segment.account_no
),
piece AS (
    SELECT spread.account_no, spread.seat_type, spread.period_no,
           greatest(spread.at, period.starts) AS begins,
           least(coalesce(spread.next_at, period.ends), period.ends) AS stops,
           spread.at > period.starts AS inside,
           spread.purchased, spread.assigned, spread.bought, spread.retired,
           spread.given, spread.taken, period.ends, period.days, period.day_starts,
           greatest(1, width_bucket(
               greatest(spread.at, period.starts), period.day_starts)) AS d
      FROM spread
      JOIN period
        ON period.account_no = spread.account_no
       AND period.period_no = spread.period_no
    OFFSET 0
),
-- Its date, and which of the period's dates begin before it.
dated AS (
    SELECT piece.account_no, piece.seat_type, piece.period_no, piece.begins,
           piece.inside, piece.purchased, piece.assigned, piece.bought, piece.retired,
           piece.given, piece.taken, piece.days, piece.d,
           piece.stops = piece.ends AS last,
           piece.begins > piece.day_starts[piece.d] AS amid_day,
           CASE
               WHEN piece.begins > piece.day_starts[piece.d] THEN piece.d
               ELSE piece.d - 1
           END AS before,
           round(date_part('epoch', piece.stops - piece.begins) * 1e6)::bigint AS lasts,
           round(date_part('epoch', piece.ends - piece.begins) * 1e6)::bigint AS rests
      FROM piece
    OFFSET 0
),
placed AS (
    SELECT dated.*,
           coalesce(max(assigned) OVER so_far, 0) AS top_before,
           lag(assigned) OVER so_far AS assigned_before,
           lead(d) OVER so_far AS next_d
      FROM dated
    WINDOW so_far AS (
               PARTITION BY account_no, seat_type, period_no ORDER BY d, begins
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
dates AS (
    SELECT account_no, seat_type, period_no, d, max(days) AS days,
           max(purchased) AS most,
           max(purchased) FILTER (WHERE NOT inside) AS opening,
           max(assigned) FILTER (WHERE NOT inside) AS assigned_opening,
           sum(bought) FILTER (WHERE inside) AS bought,
           sum(retired) FILTER (WHERE inside) AS retired,
           sum(bought * (days - d + 1) - retired * (days - before))
               FILTER (WHERE inside) AS contracted_days,
           sum(given * (days - d + 1) - taken * (days - before))
               FILTER (WHERE inside) AS touched_days,
           max(purchased) FILTER (WHERE last) AS closing,
           max(assigned) FILTER (WHERE last) AS assigned_closing,
           max(assigned) AS top,
           greatest(
               max(assigned), max(assigned_before) FILTER (WHERE amid_day)
           ) AS day_top,
           sum(CASE
                   WHEN next_d IS NULL THEN assigned * (days - d)
                   WHEN next_d > d THEN assigned * (next_d - d - 1)
               END) AS quiet_days,
           sum((assigned - top_before) * (CASE WHEN inside THEN days - d + 1 ELSE days END))
               FILTER (WHERE assigned > top_before) AS rises_days,
           sum((assigned - top_before) * rests)
               FILTER (WHERE assigned > top_before) AS rises_time,
           sum(purchased * lasts) AS contracted_time,
           sum(assigned * lasts) AS held_time
      FROM placed
     GROUP BY account_no, seat_type, period_no, d
),
stepped AS (
    SELECT account_no, seat_type, period_no,
           coalesce(max(opening), 0) AS opening,
           coalesce(sum(bought), 0) AS purchased,
           coalesce(sum(retired), 0) AS retired,
           max(closing) AS closing,
           coalesce(max(assigned_opening), 0) AS assigned_opening,
           max(top) AS assigned_peak,
           max(assigned_closing) AS assigned_closing,
           coalesce(max(opening), 0)::bigint * max(days)
               + coalesce(sum(contracted_days), 0) AS contracted_days,
           coalesce(max(assigned_opening), 0)::bigint * max(days)
               + coalesce(sum(touched_days), 0) AS touched_days,
           sum(contracted_time) AS contracted_time,
           coalesce(sum(rises_days), 0) AS rises_days,
           coalesce(sum(rises_time), 0) AS rises_time,
           sum(held_time) AS held_time,
           sum(day_top) + coalesce(sum(quiet_days), 0) AS peak_days
      FROM dates
     GROUP BY account_no, seat_type, period_no
    HAVING max(most) > 0
),
-- Each holding that begins inside a period, after which one of the seat and the user.
begun AS (
    SELECT spanned.account_no, spanned.seat_type, spanned.held_from,
           spanned.seat_before, spanned.user_before, spanned.is_empty,
           bounds.first_no - 1 + width_bucket(spanned.held_from, bounds.bounds)
               AS period_no
      FROM (
           SELECT held.account_no, held.seat_type, held.held_from,
                  held.held_until IS NOT DISTINCT FROM held.held_from AS is_empty,
                  lag(held.held_until) OVER (
                      PARTITION BY held.account_no, held.seat_type, held.user_no,
                                   held.held_until IS NOT DISTINCT FROM held.held_from
                      ORDER BY held.held_from
                  ) AS user_before,
                  lag(held.held_until) OVER (
                      PARTITION BY held.account_no, held.seat_type, held.number,
                                   held.held_until IS NOT DISTINCT FROM held.held_from
                      ORDER BY held.held_from
                  ) AS seat_before
             FROM held
           ) AS spanned
      JOIN bounds ON bounds.account_no = spanned.account_no
),
-- Dates that a seat or a user touches once more, and users who come for the first time.
again AS (
    SELECT account_no, seat_type, period_no,
           count(*) FILTER (WHERE is_empty AND held_from > day_start) AS empties,
           count(*) FILTER (WHERE NOT is_empty AND seat_before > since) AS by_seat,
           count(*) FILTER (WHERE NOT is_empty AND user_before > since) AS by_user,
           count(*) FILTER (
               WHERE NOT is_empty
                 AND (user_before IS NULL OR user_before <= starts)) AS newcomers
      FROM (
           SELECT begun.account_no, begun.seat_type, begun.period_no, begun.held_from,
                  begun.seat_before, begun.user_before, begun.is_empty, period.starts,
                  day.start AS day_start, greatest(period.starts, day.start) AS since
             FROM begun
             JOIN period
               ON period.account_no = begun.account_no
              AND period.period_no = begun.period_no
            CROSS JOIN LATERAL (
                  SELECT period.day_starts[greatest(1, width_bucket(
                             begun.held_from, period.day_starts))] AS start
                  OFFSET 0) AS day
            WHERE begun.held_from > period.starts
           ) AS placed_holding
     GROUP BY account_no, seat_type, period_no
)
SELECT stepped.account_no, stepped.seat_type, stepped.period_no,
       stepped.opening, stepped.purchased, stepped.retired, stepped.closing,
       stepped.assigned_opening, stepped.assigned_peak, stepped.assigned_closing,
       stepped.contracted_days - stepped.touched_days
           + coalesce(again.by_seat + again.empties, 0) AS idle_days,
       stepped.contracted_days, stepped.contracted_time, stepped.rises_days,
       stepped.rises_time, stepped.held_time, stepped.peak_days,
       stepped.touched_days - coalesce(again.by_user + again.empties, 0)
           AS touched_days,
       stepped.assigned_opening + coalesce(again.newcomers, 0) AS holders
  FROM stepped
  LEFT JOIN again
    ON again.account_no = stepped.account_no
   AND again.seat_type = stepped.seat_type
   AND again.period_no = stepped.period_no
