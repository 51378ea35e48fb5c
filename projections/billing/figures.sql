-- kept_periods --
-- The periods of a range of accounts, as kept.
SELECT account_no, period_no, starts, ends, days, day_starts
  FROM billing_period
 WHERE account_no >= %(first)s::bigint
   AND account_no <= %(last)s::bigint

-- kept_steps --
-- Their counts, as kept.
SELECT account_no, seat_type, at, purchased, assigned, bought, retired
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
   AND held_until IS DISTINCT FROM held_from

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
SELECT account_no, seat_type, at, purchased, assigned, bought, retired
  FROM seat_count_at(%(known)s::bigint)
 WHERE account_no = ANY (%(wanted)s::bigint[])

-- known_held --
-- The holdings of some accounts, knowing the events up to a position.
SELECT account_no, seat_type, number, user_no, held_from, held_until
  FROM seat_holding_at(%(known)s::bigint)
 WHERE account_no = ANY (%(wanted)s::bigint[])
   AND NOT reversed
   AND held_until IS DISTINCT FROM held_from

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
       step.bought, step.retired
  FROM touched_types AS touched
 CROSS JOIN LATERAL (
       (SELECT account_no, seat_type, at, purchased, assigned, bought, retired
          FROM seat_count
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND at <= touched.starts
         ORDER BY at DESC
         LIMIT 1)
       UNION ALL
       (SELECT account_no, seat_type, at, purchased, assigned, bought, retired
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
           AND held_from > touched.starts
           AND held_until IS DISTINCT FROM held_from)
       UNION ALL
       (SELECT account_no, seat_type, number, user_no, held_from, held_until
          FROM seat_holding
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND NOT reversed
           AND held_until IS NOT NULL
           AND held_until > touched.starts
           AND held_from <= touched.starts)) AS held

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
segment AS (
    SELECT step.account_no, step.seat_type, step.at, step.purchased, step.assigned,
           step.bought, step.retired,
           lead(step.at) OVER (
               PARTITION BY step.account_no, step.seat_type ORDER BY step.at
           ) AS next_at
      FROM step
),
spread AS (
    SELECT segment.account_no, segment.seat_type, segment.at, segment.next_at,
           segment.purchased, segment.assigned, segment.bought, segment.retired,
           bounds.first_no - 1 + generate_series(
               greatest(1, width_bucket(segment.at, bounds.bounds)),
               CASE
                   WHEN segment.next_at IS NULL THEN bounds.periods
                   ELSE least(bounds.periods, width_bucket(
                       segment.next_at - interval '1 microsecond', bounds.bounds))
               END
           ) AS period_no
      FROM segment
      JOIN bounds ON bounds.account_no = segment.account_no
),
piece AS (
    SELECT spread.account_no, spread.seat_type, spread.period_no,
           greatest(spread.at, period.starts) AS begins,
           least(coalesce(spread.next_at, period.ends), period.ends) AS stops,
           spread.at > period.starts AS inside,
           spread.purchased, spread.assigned, spread.bought, spread.retired,
           period.starts, period.ends, period.days, period.day_starts
      FROM spread
      JOIN period
        ON period.account_no = spread.account_no
       AND period.period_no = spread.period_no
),
dated AS (
    SELECT piece.account_no, piece.seat_type, piece.period_no, piece.begins,
           piece.stops, piece.inside, piece.purchased, piece.assigned, piece.bought,
           piece.retired, piece.ends, piece.days, day.d,
           piece.begins > piece.day_starts[day.d] AS amid_day,
           CASE WHEN piece.inside AND piece.retired > 0 THEN width_bucket(
               piece.begins - interval '1 microsecond', piece.day_starts)
           END AS days_before,
           round(date_part('epoch', piece.stops - piece.begins) * 1e6)::bigint AS lasts,
           round(date_part('epoch', piece.ends - piece.begins) * 1e6)::bigint AS rests
      FROM piece
     CROSS JOIN LATERAL (
           SELECT greatest(1, width_bucket(piece.begins, piece.day_starts)) AS d
           OFFSET 0) AS day
),
placed AS (
    SELECT dated.*,
           max(assigned) OVER so_far AS top_before,
           lag(assigned) OVER in_order AS assigned_before,
           lead(d) OVER in_order AS next_d
      FROM dated
    WINDOW in_order AS (
               PARTITION BY account_no, seat_type, period_no ORDER BY begins),
           so_far AS (
               PARTITION BY account_no, seat_type, period_no ORDER BY begins
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
dates AS (
    SELECT account_no, seat_type, period_no, d, max(days) AS days,
           max(purchased) AS most,
           max(purchased) FILTER (WHERE NOT inside) AS opening,
           max(assigned) FILTER (WHERE NOT inside) AS assigned_opening,
           sum(bought) FILTER (WHERE inside) AS bought,
           sum(retired) FILTER (WHERE inside) AS retired,
           sum(bought * (days - d + 1)) FILTER (WHERE inside) AS bought_days,
           sum(retired * (days - days_before)) FILTER (WHERE inside) AS retired_days,
           max(purchased) FILTER (WHERE stops = ends) AS closing,
           max(assigned) FILTER (WHERE stops = ends) AS assigned_closing,
           max(assigned) AS top,
           greatest(
               max(assigned), max(assigned_before) FILTER (WHERE amid_day)
           ) AS day_top,
           sum(CASE
                   WHEN next_d IS NULL THEN assigned::bigint * (days - d)
                   WHEN next_d > d THEN assigned::bigint * (next_d - d - 1)
               END) AS quiet_days,
           sum(greatest(0, assigned - coalesce(top_before, 0))::bigint
               * CASE WHEN inside THEN days - d + 1 ELSE days END) AS rises_days,
           sum(greatest(0, assigned - coalesce(top_before, 0)) * rests) AS rises_time,
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
               + coalesce(sum(bought_days), 0)
               - coalesce(sum(retired_days), 0) AS contracted_days,
           coalesce(max(assigned_opening), 0)::bigint * max(days) AS carried_days,
           sum(contracted_time) AS contracted_time,
           sum(rises_days) AS rises_days,
           sum(rises_time) AS rises_time,
           sum(held_time) AS held_time,
           sum(day_top) + coalesce(sum(quiet_days), 0) AS peak_days
      FROM dates
     GROUP BY account_no, seat_type, period_no
    HAVING max(most) > 0
),
spanned AS (
    SELECT held.account_no, held.seat_type, held.held_from, held.held_until,
           lag(held.held_until) OVER (
               PARTITION BY held.account_no, held.seat_type, held.number
               ORDER BY held.held_from
           ) AS seat_before,
           lag(held.held_until) OVER (
               PARTITION BY held.account_no, held.seat_type, held.user_no
               ORDER BY held.held_from
           ) AS user_before
      FROM held
),
ends_of_holdings AS (
    SELECT spanned.account_no, spanned.seat_type,
           bounds.first_no - 1 + width_bucket(spanned.held_from, bounds.bounds)
               AS period_no,
           spanned.held_from AS at, true AS begins, spanned.seat_before,
           spanned.user_before
      FROM spanned
      JOIN bounds ON bounds.account_no = spanned.account_no
    UNION ALL
    SELECT spanned.account_no, spanned.seat_type,
           bounds.first_no - 1 + width_bucket(
               spanned.held_until - interval '1 microsecond', bounds.bounds),
           spanned.held_until, false, NULL, NULL
      FROM spanned
      JOIN bounds ON bounds.account_no = spanned.account_no
     WHERE spanned.held_until IS NOT NULL
),
touching AS (
    SELECT edge.account_no, edge.seat_type, edge.period_no,
           sum(CASE
                   WHEN edge.begins THEN period.days - day.d + 1
                   ELSE day.d - period.days
               END) AS touched,
           count(*) FILTER (
               WHERE edge.begins AND edge.seat_before > day.starts) AS seat_again,
           count(*) FILTER (
               WHERE edge.begins AND edge.user_before > day.starts) AS user_again,
           count(*) FILTER (
               WHERE edge.begins
                 AND (edge.user_before IS NULL OR edge.user_before <= period.starts)
           ) AS newcomers
      FROM ends_of_holdings AS edge
      JOIN period
        ON period.account_no = edge.account_no
       AND period.period_no = edge.period_no
     CROSS JOIN LATERAL (
           SELECT found.d,
                  greatest(period.starts, period.day_starts[found.d]) AS starts
             FROM (SELECT greatest(1, width_bucket(
                       CASE
                           WHEN edge.begins THEN edge.at
                           ELSE edge.at - interval '1 microsecond'
                       END, period.day_starts)) AS d
                   OFFSET 0) AS found
           OFFSET 0) AS day
     WHERE CASE
               WHEN edge.begins THEN edge.at > period.starts
               ELSE edge.at < period.ends
           END
     GROUP BY edge.account_no, edge.seat_type, edge.period_no
)
SELECT stepped.account_no, stepped.seat_type, stepped.period_no,
       stepped.opening, stepped.purchased, stepped.retired, stepped.closing,
       stepped.assigned_opening, stepped.assigned_peak, stepped.assigned_closing,
       stepped.contracted_days - stepped.carried_days
           - coalesce(touching.touched - touching.seat_again, 0) AS idle_days,
       stepped.contracted_days, stepped.contracted_time, stepped.rises_days,
       stepped.rises_time, stepped.held_time, stepped.peak_days,
       stepped.carried_days
           + coalesce(touching.touched - touching.user_again, 0) AS touched_days,
       stepped.assigned_opening + coalesce(touching.newcomers, 0) AS holders
  FROM stepped
  LEFT JOIN touching
    ON touching.account_no = stepped.account_no
   AND touching.seat_type = stepped.seat_type
   AND touching.period_no = stepped.period_no
