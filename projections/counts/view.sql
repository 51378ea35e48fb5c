-- seat_count --
CREATE OR REPLACE VIEW {schema}.seat_count WITH (security_invoker = true) AS
SELECT account.account_key AS account, kind.name AS seat_type, step.at,
       step.seats_purchased AS purchased, step.seats_assigned AS assigned,
       step.seats_purchased - step.seats_assigned AS available
  FROM seat_count AS step
  JOIN seat_type AS kind ON kind.type_no = step.seat_type
  JOIN account ON account.account_no = step.account_no;
COMMENT ON VIEW {schema}.seat_count IS
    'One row is one step: the counts from this instant until the type''s next row.';
COMMENT ON COLUMN {schema}.seat_count.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.seat_count.seat_type IS 'Hub and tier.';
COMMENT ON COLUMN {schema}.seat_count.at IS 'From this instant on.';
COMMENT ON COLUMN {schema}.seat_count.purchased IS 'Seats under contract.';
COMMENT ON COLUMN {schema}.seat_count.assigned IS 'Seats held by somebody.';
COMMENT ON COLUMN {schema}.seat_count.available IS 'Seats under contract that nobody holds.';

-- seat_month --
CREATE OR REPLACE VIEW {schema}.seat_month WITH (security_invoker = true) AS
SELECT account.account_key AS account, kind.name AS seat_type, month.starts::date AS month,
       month.ends AT TIME ZONE 'UTC' <= now() AS complete,
       coalesce(before.seats_purchased, 0) AS opening, change.bought, change.retired,
       last.seats_purchased AS seats, last.seats_assigned AS held,
       last.seats_purchased - last.seats_assigned AS idle,
       greatest(coalesce(before.seats_assigned, 0), change.most_assigned) AS held_peak,
       change.joins, change.leaves
  FROM (
       SELECT account_no, seat_type, min(at) AS first_at
         FROM seat_count
        GROUP BY account_no, seat_type
       ) AS counted
  JOIN seat_type AS kind ON kind.type_no = counted.seat_type
  JOIN account ON account.account_no = counted.account_no
 CROSS JOIN LATERAL (
       SELECT series.starts, series.starts + interval '1 month' AS ends
         FROM generate_series(
                  date_trunc('month', counted.first_at AT TIME ZONE 'UTC'),
                  date_trunc('month', now() AT TIME ZONE 'UTC'),
                  interval '1 month'
              ) AS series(starts)
       ) AS month
  LEFT JOIN LATERAL (
       SELECT step.seats_purchased, step.seats_assigned
         FROM seat_count AS step
        WHERE step.account_no = counted.account_no
          AND step.seat_type = counted.seat_type
          AND step.at < month.starts AT TIME ZONE 'UTC'
        ORDER BY step.at DESC
        LIMIT 1
       ) AS before ON true
 CROSS JOIN LATERAL (
       SELECT step.seats_purchased, step.seats_assigned
         FROM seat_count AS step
        WHERE step.account_no = counted.account_no
          AND step.seat_type = counted.seat_type
          AND step.at < month.ends AT TIME ZONE 'UTC'
        ORDER BY step.at DESC
        LIMIT 1
       ) AS last
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(step.bought), 0)::integer AS bought,
              coalesce(sum(step.retired), 0)::integer AS retired,
              coalesce(sum(step.filled), 0)::integer AS joins,
              coalesce(sum(step.freed), 0)::integer AS leaves,
              max(step.seats_assigned) AS most_assigned
         FROM seat_count AS step
        WHERE step.account_no = counted.account_no
          AND step.seat_type = counted.seat_type
          AND step.at >= month.starts AT TIME ZONE 'UTC'
          AND step.at < month.ends AT TIME ZONE 'UTC'
       ) AS change;
COMMENT ON VIEW {schema}.seat_month IS
    'One row is one calendar month (UTC) of a seat type in an account, from its first seat to the month in progress. Billing periods have bounds of their own: see billing_period.';
COMMENT ON COLUMN {schema}.seat_month.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.seat_month.seat_type IS 'Hub and tier.';
COMMENT ON COLUMN {schema}.seat_month.month IS 'The first day of the month, which begins at 00:00 UTC.';
COMMENT ON COLUMN {schema}.seat_month.complete IS
    'Whether the month has ended; else its figures are those so far.';
COMMENT ON COLUMN {schema}.seat_month.opening IS 'Seats under contract just before the month.';
COMMENT ON COLUMN {schema}.seat_month.bought IS 'Seats whose contract began in it.';
COMMENT ON COLUMN {schema}.seat_month.retired IS 'Seats whose contract ended in it.';
COMMENT ON COLUMN {schema}.seat_month.seats IS
    'Seats under contract at its end: opening plus bought minus retired.';
COMMENT ON COLUMN {schema}.seat_month.held IS 'Seats held by somebody at its end.';
COMMENT ON COLUMN {schema}.seat_month.idle IS 'Seats under contract at its end that nobody holds.';
COMMENT ON COLUMN {schema}.seat_month.held_peak IS 'The most seats that were held at one moment of it.';
COMMENT ON COLUMN {schema}.seat_month.joins IS 'Holdings that began in it.';
COMMENT ON COLUMN {schema}.seat_month.leaves IS 'Holdings that ended in it.';
