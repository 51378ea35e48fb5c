-- The figures of periods, for every counting rule (R53), in one pass over the steps of
-- the counts.
--
-- The algebra. Within a period of D dates and T microseconds a count runs in steps: from
-- an instant t on it is n, after n before. With r(t) = what is left of the period at t
-- (D - d + 1 dates on the d-th date, or the time until the end), and o = n at the start:
--
--   sum of n over the period    = o * D + sum of (n - n before) * r(t)
--   by dates, what ends amid a date counts it still: + 1 for each end inside a date
--   rises above the record      = o * D + sum of (n - record before, if above) * r(t)
--   peaks of dates              = the sum, over dates, of the highest n on the date
--
-- so each step is looked at once, and a date or period without a step costs nothing.
-- `bought` and `retired` are the two sides of n - n before for seats under contract,
-- `filled` and `freed` for seats held. What a sum is divided by is said in
-- seat_ledger/domain/counting_rules.py.
--
-- An example: a period of D = 30 dates opens with o = 2 seats under contract; on the 11th
-- at noon 3 are bought, on the 21st at noon 1 is retired.
--   contracted_days = 2 * 30 + 3 * (30 - 11 + 1) - 1 * (30 - 21 + 1) + 1 = 60 + 60 - 10 + 1
--                   = 111 (2 seats on ten dates, 5 on eleven, 4 on nine: 20 + 55 + 36)
--   contracted_time = 2 * 30 + 3 * 19.5 - 1 * 9.5 = 109 days of time, in microseconds
--   `day` is 111/30 = 3.7 seats, `second` 109/30.

-- stored_periods --
-- The periods of a range of accounts, as kept; long arrays unpacked once, not for each
-- step that looks into them.
SELECT account_no, period_no, starts, ends, days,
       day_starts || '{}'::timestamptz[] AS day_starts
  FROM billing_period
 WHERE account_no >= %(first)s::bigint
   AND account_no <= %(last)s::bigint

-- stored_steps --
-- Their counts, as kept.
SELECT account_no, seat_type, at, seats_purchased, seats_assigned, bought, retired,
       filled, freed
  FROM seat_count
 WHERE account_no >= %(first)s::bigint
   AND account_no <= %(last)s::bigint

-- stored_held --
-- Their holdings, as kept.
SELECT account_no, seat_type, number, user_no, held_from, held_until
  FROM seat_holding
 WHERE account_no >= %(first)s::bigint
   AND account_no <= %(last)s::bigint
   AND NOT reversed

-- selected_periods --
-- Periods and windows that the caller computed.
SELECT selected.account_no, selected.period_no, selected.starts, selected.ends,
       cardinality(selected.day_starts::timestamptz[]) AS days,
       selected.day_starts::timestamptz[] AS day_starts
  FROM unnest(
       %(account_no)s::bigint[], %(period_no)s::integer[],
       %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(day_starts)s::text[]
       ) AS selected(account_no, period_no, starts, ends, day_starts)

-- as_known_steps --
-- The counts of some accounts, knowing the events up to a position.
SELECT account_no, seat_type, at, seats_purchased, seats_assigned, bought, retired,
       filled, freed
  FROM seat_count_at(%(known_position)s::bigint)
 WHERE account_no = ANY (%(accounts)s::bigint[])

-- as_known_held --
-- The holdings of some accounts, knowing the events up to a position.
SELECT account_no, seat_type, number, user_no, held_from, held_until
  FROM seat_holding_at(%(known_position)s::bigint)
 WHERE account_no = ANY (%(accounts)s::bigint[])
   AND NOT reversed

-- touched_periods --
-- The periods that a batch of events may have changed: of each account, from the
-- earliest instant that was touched on.
SELECT period.account_no, period.period_no, period.starts, period.ends, period.days,
       period.day_starts || '{}'::timestamptz[] AS day_starts
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
-- The touched types, and from where to where they are counted.
SELECT selected.account_no, selected.seat_type, min(period.starts) AS starts,
       max(period.ends) AS ends, min(period.period_no) AS first_no
  FROM unnest(%(type_accounts)s::bigint[], %(types)s::integer[])
       AS selected(account_no, seat_type)
  JOIN period ON period.account_no = selected.account_no
 GROUP BY selected.account_no, selected.seat_type

-- touched_steps --
-- The counts in those periods, and the last ones before.
SELECT step.account_no, step.seat_type, step.at, step.seats_purchased,
       step.seats_assigned, step.bought, step.retired, step.filled, step.freed
  FROM touched_types AS touched
 CROSS JOIN LATERAL (
       (SELECT account_no, seat_type, at, seats_purchased, seats_assigned, bought, retired,
               filled, freed
          FROM seat_count
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND at <= touched.starts
         ORDER BY at DESC
         LIMIT 1)
       UNION ALL
       (SELECT account_no, seat_type, at, seats_purchased, seats_assigned, bought, retired,
               filled, freed
          FROM seat_count
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND at > touched.starts
           AND at < touched.ends)) AS step

-- touched_held --
-- The holdings that begin in those periods, or before and end after their start.
SELECT held.account_no, held.seat_type, held.number, held.user_no, held.held_from,
       held.held_until
  FROM touched_types AS touched
 CROSS JOIN LATERAL (
       (SELECT account_no, seat_type, number, user_no, held_from, held_until
          FROM seat_holding
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND NOT reversed
           AND held_until >= touched.starts
           AND held_from < touched.ends)
       UNION ALL
       (SELECT account_no, seat_type, number, user_no, held_from, held_until
          FROM seat_holding
         WHERE account_no = touched.account_no
           AND seat_type = touched.seat_type
           AND NOT reversed
           AND held_until IS NULL
           AND held_from > touched.starts
           AND held_from < touched.ends)) AS held

-- figures --
-- The figures of each period and seat type, by every counting rule (R53, R55). Needs
-- `period`, `step` and `held`; periods of one account follow each other without gaps.
-- Everything is linear in the steps and holdings: what spans a whole period is counted
-- from the opening, and only what begins or ends inside it is looked at.
-- An account's periods and dates, in order, as arrays: what is to be found in them is
-- found without a join, and leaves the steps in their order. A date that began before
-- its period (another time zone) begins with it.
bounds AS MATERIALIZED (
    SELECT account_no, min(period_no) AS first_no, max(period_no) AS last_no,
           max(ends) AS until,
           array_agg(starts ORDER BY period_no) AS starts,
           array_agg(ends ORDER BY period_no) AS ends,
           array_agg(dates_until - days ORDER BY period_no) || max(dates_until)
               AS dates_before,
           dates_of(dates ORDER BY period_no) AS dates
      FROM (
           SELECT account_no, period_no, starts, ends, days,
                  (sum(days) OVER (
                      PARTITION BY account_no ORDER BY period_no))::integer
                      AS dates_until,
                  CASE
                      WHEN day_starts[1] >= starts THEN day_starts
                      ELSE ARRAY (SELECT greatest(begins, starts)
                                    FROM unnest(day_starts) AS begins)
                  END AS dates
             FROM period
           ) AS summed
     GROUP BY account_no
     ORDER BY account_no
),
-- Each step with its period and date, by their places among those of the account.
-- Steps before the first period have place 0, and tell with what that one opens.
located AS (
    SELECT step.account_no, step.seat_type, step.at, step.seats_purchased,
           step.seats_assigned, step.bought, step.retired, step.filled, step.freed,
           bounds.first_no, bounds.starts, bounds.ends, bounds.dates_before,
           bounds.dates, width_bucket(step.at, bounds.starts) AS place,
           width_bucket(step.at, bounds.dates) AS date_no
      FROM (SELECT * FROM step ORDER BY account_no, seat_type, at) AS step
      JOIN bounds ON bounds.account_no = step.account_no
     WHERE step.at < bounds.until
     ORDER BY step.account_no, step.seat_type, step.at
),
-- And what is left of the period from it on. What precedes a period's first date (it
-- may begin after the period) counts to it.
dated AS (
    SELECT located.account_no, located.seat_type, first_no - 1 + place AS period_no,
           located.at, located.seats_purchased, located.seats_assigned, located.bought,
           located.retired, located.filled, located.freed, dates,
           at > starts[place] AS inside, ends[place] - at AS remaining,
           dates_before[place] AS before,
           dates_before[place + 1] - dates_before[place] AS days,
           greatest(date_no, dates_before[place] + 1) AS date_no
      FROM located
     ORDER BY account_no, seat_type, at
),
-- What begins and ends with a step that lies inside its period, and not at its start.
moved AS (
    SELECT dated.account_no, dated.seat_type, dated.period_no, dated.at, dated.days,
           dated.date_no, coalesce(date_no - before, 0) AS d,
           dated.inside, dated.seats_purchased, dated.seats_assigned,
           CASE WHEN inside THEN bought ELSE 0 END AS bought,
           CASE WHEN inside THEN retired ELSE 0 END AS retired,
           CASE WHEN inside THEN filled ELSE 0 END AS filled,
           CASE WHEN inside THEN freed ELSE 0 END AS freed,
           inside AND at > dates[date_no] AS amid_day,
           round(date_part('epoch', remaining) * 1e6)::bigint AS rests
      FROM dated
     ORDER BY account_no, seat_type, at
),
-- Periods and dates follow each other in the order of the steps: the highest count so
-- far of a period, or of a date, is a maximum in whose key its number comes first. What
-- counts of a date is that of its last step.
placed AS (
    SELECT moved.*,
           greatest(0, seats_assigned - (max(
               period_no * 4294967296
               + seats_assigned
               + CASE WHEN inside THEN freed - filled ELSE 0 END
           ) OVER so_far - period_no * 4294967296))::integer AS record,
           CASE WHEN lead(period_no) OVER so_far = period_no
                THEN lead(d) OVER so_far
           END AS next_d,
           (max(date_no * 4294967296 + CASE
                   WHEN amid_day OR d = 1
                   THEN greatest(seats_assigned, seats_assigned - filled + freed)
                   ELSE seats_assigned
               END) OVER so_far - date_no * 4294967296)::integer AS day_top
      FROM moved
    WINDOW so_far AS (
               PARTITION BY account_no, seat_type ORDER BY at
               ROWS UNBOUNDED PRECEDING)
),
stepped AS (
    SELECT account_no, seat_type, period_no,
           max(seats_purchased) AS most,
           max(seats_assigned) AS top,
           max(seats_purchased) FILTER (WHERE NOT inside) AS opening,
           max(seats_assigned) FILTER (WHERE NOT inside) AS assigned_opening,
           max(seats_purchased) FILTER (WHERE next_d IS NULL) AS closing,
           max(seats_assigned) FILTER (WHERE next_d IS NULL) AS assigned_closing,
           sum(bought) AS bought,
           sum(retired) AS retired,
           sum((bought - retired) * (days - d + 1)
               + CASE WHEN amid_day THEN retired ELSE 0 END) AS contracted_days,
           sum((filled - freed) * (days - d + 1)
               + CASE WHEN amid_day THEN freed ELSE 0 END) AS touched_days,
           sum((bought - retired) * rests) AS contracted_time,
           sum((filled - freed) * rests) AS held_time,
           sum(record * (days - d + 1)) AS rises_days,
           sum(record * rests) AS rises_time,
           sum(day_top + seats_assigned * (coalesce(next_d, days + 1) - d - 1))
               FILTER (WHERE next_d IS DISTINCT FROM d) AS peak_days,
           min(d) AS first_d
      FROM placed
     GROUP BY account_no, seat_type, period_no
),
-- With what each opens, and until which period nothing more happens.
runs AS (
    SELECT stepped.account_no, stepped.seat_type, stepped.period_no, stepped.most,
           stepped.top, stepped.closing, stepped.assigned_closing, stepped.bought,
           stepped.retired, stepped.contracted_days, stepped.touched_days,
           stepped.contracted_time, stepped.held_time, stepped.rises_days,
           stepped.rises_time, stepped.peak_days, stepped.first_d,
           coalesce(opening, lag(closing) OVER in_order, 0) AS opening,
           coalesce(assigned_opening, lag(assigned_closing) OVER in_order, 0)
               AS assigned_opening,
           coalesce(lead(period_no) OVER in_order - 1, bounds.last_no) AS quiet_until
      FROM stepped
      JOIN bounds ON bounds.account_no = stepped.account_no
    WINDOW in_order AS (
               PARTITION BY stepped.account_no, stepped.seat_type ORDER BY period_no)
),
counted AS (
    SELECT runs.account_no, runs.seat_type, period.period_no, period.days,
           round(date_part('epoch', period.ends - period.starts) * 1e6)::bigint::numeric
               AS lasts,
           runs.most, runs.opening, runs.bought, runs.retired, runs.closing,
           runs.assigned_opening, greatest(runs.assigned_opening, runs.top) AS top,
           runs.assigned_closing, runs.contracted_days, runs.touched_days,
           runs.contracted_time, runs.held_time, runs.rises_days, runs.rises_time,
           runs.peak_days + runs.assigned_opening * (runs.first_d - 1) AS peak_days
      FROM runs
      JOIN period
        ON period.account_no = runs.account_no
       AND period.period_no = runs.period_no
     WHERE greatest(runs.opening, runs.most, runs.assigned_opening, runs.top) > 0
    UNION ALL
    SELECT runs.account_no, runs.seat_type, period.period_no, period.days,
           round(date_part('epoch', period.ends - period.starts) * 1e6)::bigint::numeric,
           0, runs.closing, 0, 0, runs.closing, runs.assigned_closing,
           runs.assigned_closing, runs.assigned_closing, 0, 0, 0, 0, 0, 0,
           runs.assigned_closing * period.days
      FROM runs
      JOIN period
        ON period.account_no = runs.account_no
       AND period.period_no > runs.period_no
       AND period.period_no <= runs.quiet_until
     WHERE greatest(runs.closing, runs.assigned_closing) > 0
       AND runs.quiet_until > runs.period_no
),
-- Each holding with those before it of the seat and of the user, and its period.
begun AS (
    SELECT spanned.account_no, spanned.seat_type, spanned.held_from,
           spanned.seat_before, spanned.user_before, spanned.is_empty,
           bounds.first_no, bounds.starts, bounds.dates_before, bounds.dates,
           width_bucket(spanned.held_from, bounds.starts) AS place,
           width_bucket(spanned.held_from, bounds.dates) AS date_no
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
     WHERE spanned.held_from < bounds.until
    OFFSET 0
),
-- Dates that a seat or a user touches once more, and users who come for the first time,
-- by holdings that begin inside a period.
again AS (
    SELECT account_no, seat_type, period_no,
           count(*) FILTER (WHERE is_empty AND held_from > day_start) AS empties,
           count(*) FILTER (WHERE NOT is_empty AND seat_before > day_start) AS by_seat,
           count(*) FILTER (WHERE NOT is_empty AND user_before > day_start) AS by_user,
           count(*) FILTER (
               WHERE NOT is_empty
                 AND (user_before IS NULL OR user_before <= starts)) AS newcomers
      FROM (
           SELECT begun.account_no, begun.seat_type, begun.held_from,
                  begun.seat_before, begun.user_before, begun.is_empty,
                  first_no - 1 + place AS period_no, starts[place] AS starts,
                  dates[greatest(date_no, dates_before[place] + 1)] AS day_start
             FROM begun
            WHERE held_from > starts[place]
           OFFSET 0
           ) AS placed_holding
     GROUP BY account_no, seat_type, period_no
)
SELECT counted.account_no, counted.seat_type, counted.period_no,
       counted.opening, counted.bought, counted.retired, counted.closing,
       counted.assigned_opening, counted.top AS assigned_peak, counted.assigned_closing,
       length.contracted_days - length.touched_days
           + coalesce(again.by_seat + again.empties, 0) AS idle_days,
       length.contracted_days,
       counted.contracted_time + counted.opening * counted.lasts AS contracted_time,
       counted.rises_days + counted.assigned_opening * counted.days AS rises_days,
       counted.rises_time + counted.assigned_opening * counted.lasts AS rises_time,
       counted.held_time + counted.assigned_opening * counted.lasts AS held_time,
       counted.peak_days,
       length.touched_days - coalesce(again.by_user + again.empties, 0)
           AS touched_days,
       counted.assigned_opening + coalesce(again.newcomers, 0) AS holders
  FROM counted
 CROSS JOIN LATERAL (
       SELECT counted.contracted_days + counted.opening::bigint * counted.days
                  AS contracted_days,
              counted.touched_days + counted.assigned_opening::bigint * counted.days
                  AS touched_days
       ) AS length
  LEFT JOIN again
    ON again.account_no = counted.account_no
   AND again.seat_type = counted.seat_type
   AND again.period_no = counted.period_no
