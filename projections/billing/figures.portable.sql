-- The figures of periods, for every counting rule (R53): the second text.
--
-- The same rows as figures.sql, in what PostgreSQL, DuckDB and Spark have in common: no
-- arrays, no function, joins by equality only. PostgreSQL serves by figures.sql, which is
-- two to three times as fast there; bulk work on other engines is done by this one; each
-- is held against the other on every random history (tests/property/test_counting.py).
-- The algebra is said at the head of figures.sql.
--
-- Instants are whole microseconds since the year 1, so that none of those that count is
-- negative (`mod`, and divisions, of negatives differ between engines). Needs
--   period      a row a period: account_no, period_no, starts, ends, days
--   period_key  the same, once for each stretch of thirty days that it touches: also
--               stretch, time_zone, dates_before (of the account's periods before),
--               first_date_no, first_date, last_date (where its first and last date begin)
--   zone_date   a row for each UTC day that a local date touches: time_zone, utc_day,
--               starts, ends, date_no
--   step        account_no, seat_type, instant, seats_purchased, seats_assigned, bought,
--               retired, filled, freed
--   held        account_no, seat_type, number, user_no, held_from, held_until
-- of which the first three are made by the one calendar: SQL computes no date.

-- figures --
span AS (
    SELECT account_no, min(period_no) AS first_no, max(period_no) AS last_no,
           max(ends) AS until
      FROM period
     GROUP BY account_no
),
-- Each step with its period and date. Steps before the first period tell with what that
-- one opens.
located AS (
    SELECT step.account_no, step.seat_type, step.instant, step.seats_purchased,
           step.seats_assigned, step.bought, step.retired, step.filled, step.freed,
           coalesce(within.period_no, span.first_no - 1) AS period_no,
           within.days, within.ends - step.instant AS rests,
           coalesce(within.dates_before, 0) AS dates_before,
           coalesce(step.instant > within.starts, false) AS inside,
           CASE
               WHEN within.days IS NULL THEN 0
               WHEN day.date_no < within.first_date_no THEN 1
               WHEN day.date_no - within.first_date_no >= within.days THEN within.days
               ELSE day.date_no - within.first_date_no + 1
           END AS d,
           CASE
               WHEN day.date_no <= within.first_date_no THEN within.first_date
               WHEN day.date_no - within.first_date_no >= within.days
                   THEN within.last_date
               ELSE day.starts
           END AS day_start
      FROM step
      JOIN span
        ON span.account_no = step.account_no
      LEFT JOIN period_key AS within
        ON within.account_no = step.account_no
       AND within.stretch = step.instant - mod(step.instant, 2592000000000)
       AND within.starts <= step.instant
       AND within.ends > step.instant
      LEFT JOIN zone_date AS day
        ON day.time_zone = within.time_zone
       AND day.utc_day = step.instant - mod(step.instant, 86400000000)
       AND day.starts <= step.instant
       AND day.ends > step.instant
     WHERE step.instant < span.until
),
moved AS (
    SELECT account_no, seat_type, CAST(period_no AS bigint) AS period_no, instant, days, d,
           rests, inside, CAST(seats_purchased AS bigint) AS seats_purchased,
           CAST(seats_assigned AS bigint) AS seats_assigned,
           CASE WHEN inside THEN bought ELSE 0 END AS bought,
           CASE WHEN inside THEN retired ELSE 0 END AS retired,
           CASE WHEN inside THEN filled ELSE 0 END AS filled,
           CASE WHEN inside THEN freed ELSE 0 END AS freed,
           inside AND instant > day_start AS amid_day,
           CAST(dates_before + d AS bigint) AS date_no
      FROM located
),
-- Periods and dates follow each other in the order of the steps: the highest count so
-- far of a period, or of a date, is a maximum in whose key its number comes first. What
-- counts of a date is that of its last step.
placed AS (
    SELECT account_no, seat_type, period_no, days, d, rests, inside, seats_purchased,
           seats_assigned, bought, retired, filled, freed, amid_day,
           greatest(0, seats_assigned + period_no * 4294967296 - max(
               period_no * 4294967296
               + CASE WHEN inside THEN seats_assigned - filled + freed
                      ELSE seats_assigned
                 END
           ) OVER so_far) AS record,
           CASE WHEN lead(period_no) OVER in_order = period_no
                THEN lead(d) OVER in_order
           END AS next_d,
           max(date_no * 4294967296 + CASE
                   WHEN amid_day OR d = 1
                   THEN greatest(seats_assigned, seats_assigned - filled + freed)
                   ELSE seats_assigned
               END) OVER so_far - date_no * 4294967296 AS day_top
      FROM moved
    WINDOW in_order AS (PARTITION BY account_no, seat_type ORDER BY instant),
           so_far AS (
               PARTITION BY account_no, seat_type ORDER BY instant
               ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
stepped AS (
    SELECT account_no, seat_type, period_no,
           max(seats_purchased) AS most,
           max(seats_assigned) AS top,
           max(seats_purchased) FILTER (WHERE NOT inside) AS opening,
           max(seats_assigned) FILTER (WHERE NOT inside) AS assigned_opening,
           max(seats_purchased) FILTER (WHERE next_d IS NULL) AS closing,
           max(seats_assigned) FILTER (WHERE next_d IS NULL) AS assigned_closing,
           CAST(sum(bought) AS bigint) AS bought,
           CAST(sum(retired) AS bigint) AS retired,
           CAST(sum((bought - retired) * (days - d + 1)
               + CASE WHEN amid_day THEN retired ELSE 0 END) AS bigint)
               AS contracted_days,
           CAST(sum((filled - freed) * (days - d + 1)
               + CASE WHEN amid_day THEN freed ELSE 0 END) AS bigint) AS touched_days,
           sum(CAST(bought - retired AS DECIMAL(18, 0)) * CAST(rests AS DECIMAL(18, 0)))
               AS contracted_time,
           sum(CAST(filled - freed AS DECIMAL(18, 0)) * CAST(rests AS DECIMAL(18, 0)))
               AS held_time,
           CAST(sum(record * (days - d + 1)) AS bigint) AS rises_days,
           sum(CAST(record AS DECIMAL(18, 0)) * CAST(rests AS DECIMAL(18, 0)))
               AS rises_time,
           CAST(sum(day_top + seats_assigned * (coalesce(next_d, days + 1) - d - 1))
               FILTER (WHERE next_d IS DISTINCT FROM d) AS bigint) AS peak_days,
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
           coalesce(stepped.opening, lag(stepped.closing) OVER in_order, 0) AS opening,
           coalesce(stepped.assigned_opening,
                    lag(stepped.assigned_closing) OVER in_order, 0) AS assigned_opening,
           coalesce(lead(stepped.period_no) OVER in_order - 1, span.last_no)
               AS quiet_until
      FROM stepped
      JOIN span ON span.account_no = stepped.account_no
    WINDOW in_order AS (
               PARTITION BY stepped.account_no, stepped.seat_type
               ORDER BY stepped.period_no)
),
-- A period in which something happens, and those behind it in which nothing does.
counted AS (
    SELECT runs.account_no, runs.seat_type, period.period_no, period.days,
           CAST(period.ends - period.starts AS DECIMAL(18, 0)) AS lasts,
           runs.opening, runs.bought, runs.retired, runs.closing, runs.assigned_opening,
           greatest(runs.assigned_opening, runs.top) AS top, runs.assigned_closing,
           runs.contracted_days, runs.touched_days, runs.contracted_time,
           runs.held_time, runs.rises_days, runs.rises_time,
           runs.peak_days + runs.assigned_opening * (runs.first_d - 1) AS peak_days
      FROM runs
      JOIN period
        ON period.account_no = runs.account_no
       AND period.period_no = runs.period_no
     WHERE greatest(runs.opening, runs.most, runs.assigned_opening, runs.top) > 0
    UNION ALL
    SELECT runs.account_no, runs.seat_type, period.period_no, period.days,
           CAST(period.ends - period.starts AS DECIMAL(18, 0)),
           runs.closing, 0, 0, runs.closing, runs.assigned_closing,
           runs.assigned_closing, runs.assigned_closing, 0, 0, 0, 0, 0, 0,
           runs.assigned_closing * period.days
      FROM runs
      JOIN period
        ON period.account_no = runs.account_no
       AND period.period_no > runs.period_no
       AND period.period_no <= runs.quiet_until
     WHERE greatest(runs.closing, runs.assigned_closing) > 0
),
-- Each holding with those before it of the seat and of the user.
spanned AS (
    SELECT held.account_no, held.seat_type, held.held_from,
           held.held_until IS NOT DISTINCT FROM held.held_from AS is_empty,
           lag(held.held_until) OVER (
               PARTITION BY held.account_no, held.seat_type, held.user_no,
                            held.held_until IS NOT DISTINCT FROM held.held_from
               ORDER BY held.held_from) AS user_before,
           lag(held.held_until) OVER (
               PARTITION BY held.account_no, held.seat_type, held.number,
                            held.held_until IS NOT DISTINCT FROM held.held_from
               ORDER BY held.held_from) AS seat_before
      FROM held
),
begun AS (
    SELECT spanned.account_no, spanned.seat_type, within.period_no, spanned.held_from,
           spanned.is_empty, spanned.user_before, spanned.seat_before, within.starts,
           CASE
               WHEN day.date_no <= within.first_date_no THEN within.first_date
               WHEN day.date_no - within.first_date_no >= within.days
                   THEN within.last_date
               ELSE day.starts
           END AS day_start
      FROM spanned
      JOIN period_key AS within
        ON within.account_no = spanned.account_no
       AND within.stretch = spanned.held_from - mod(spanned.held_from, 2592000000000)
       AND within.starts < spanned.held_from
       AND within.ends > spanned.held_from
      LEFT JOIN zone_date AS day
        ON day.time_zone = within.time_zone
       AND day.utc_day = spanned.held_from - mod(spanned.held_from, 86400000000)
       AND day.starts <= spanned.held_from
       AND day.ends > spanned.held_from
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
      FROM begun
     GROUP BY account_no, seat_type, period_no
),
summed AS (
    SELECT counted.account_no, counted.seat_type, counted.period_no, counted.opening,
           counted.bought, counted.retired, counted.closing, counted.assigned_opening,
           counted.top, counted.assigned_closing, counted.peak_days,
           counted.contracted_days + counted.opening * counted.days AS contracted_days,
           counted.touched_days + counted.assigned_opening * counted.days
               AS touched_days,
           counted.contracted_time + counted.opening * counted.lasts AS contracted_time,
           counted.rises_days + counted.assigned_opening * counted.days AS rises_days,
           counted.rises_time + counted.assigned_opening * counted.lasts AS rises_time,
           counted.held_time + counted.assigned_opening * counted.lasts AS held_time,
           coalesce(again.empties, 0) AS empties, coalesce(again.by_seat, 0) AS by_seat,
           coalesce(again.by_user, 0) AS by_user,
           coalesce(again.newcomers, 0) AS newcomers
      FROM counted
      LEFT JOIN again
        ON again.account_no = counted.account_no
       AND again.seat_type = counted.seat_type
       AND again.period_no = counted.period_no
)
SELECT account_no, seat_type, CAST(period_no AS integer) AS period_no,
       CAST(opening AS integer) AS opening, CAST(bought AS integer) AS bought,
       CAST(retired AS integer) AS retired, CAST(closing AS integer) AS closing,
       CAST(assigned_opening AS integer) AS assigned_opening,
       CAST(top AS integer) AS assigned_peak,
       CAST(assigned_closing AS integer) AS assigned_closing,
       CAST(contracted_days - touched_days + by_seat + empties AS bigint) AS idle_days,
       CAST(contracted_days AS bigint) AS contracted_days,
       CAST(contracted_time AS DECIMAL(38, 0)) AS contracted_time,
       CAST(rises_days AS bigint) AS rises_days,
       CAST(rises_time AS DECIMAL(38, 0)) AS rises_time,
       CAST(held_time AS DECIMAL(38, 0)) AS held_time,
       CAST(peak_days AS bigint) AS peak_days,
       CAST(touched_days - by_user - empties AS bigint) AS touched_days,
       CAST(assigned_opening + newcomers AS bigint) AS holders
  FROM summed
