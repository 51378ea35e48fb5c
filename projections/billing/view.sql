-- billable_seats --
CREATE OR REPLACE VIEW {schema}.billable_seats WITH (security_invoker = true) AS
SELECT account.account_key AS account, kind.name AS seat_type,
       period.label AS period, period.starts, period.ends, period.days, period.mode,
       period.granularity, counted.opening, counted.bought AS purchased, counted.retired,
       counted.closing,
       round(
           CASE period.mode
               WHEN 'contracted' THEN
                   CASE period.granularity
                       WHEN 'day' THEN counted.contracted_days::numeric / period.days
                       ELSE counted.contracted_time / length.microseconds
                   END
               WHEN 'peak' THEN counted.assigned_peak
               WHEN 'snapshot_end' THEN counted.assigned_closing
               WHEN 'start_plus_rises' THEN
                   CASE period.granularity
                       WHEN 'day' THEN counted.rises_days::numeric / period.days
                       ELSE counted.rises_time / length.microseconds
                   END
               WHEN 'time_weighted' THEN counted.held_time / length.microseconds
               WHEN 'day_peak' THEN counted.peak_days::numeric / period.days
               WHEN 'day_touch' THEN counted.touched_days::numeric / period.days
               WHEN 'distinct' THEN counted.holders
           END, 12) AS quantity,
       counted.assigned_opening, counted.assigned_peak, counted.assigned_closing,
       counted.idle_days AS idle_seat_days,
       period.ends <= pg_catalog.now() AS complete,
       period.starts > pg_catalog.now() AS forecast
  FROM billable_seats AS counted
  JOIN seat_type AS kind ON kind.type_no = counted.seat_type
  JOIN account ON account.account_no = counted.account_no
  JOIN billing_period AS period
    ON period.account_no = counted.account_no
   AND period.period_no = counted.period_no
 CROSS JOIN LATERAL (
       SELECT round(extract(epoch FROM period.ends - period.starts) * 1000000)
                  AS microseconds
       ) AS length;
COMMENT ON VIEW {schema}.billable_seats IS
    'One row is what counts of one account, billing period and seat type.';
COMMENT ON COLUMN {schema}.billable_seats.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.billable_seats.seat_type IS 'Hub and tier.';
COMMENT ON COLUMN {schema}.billable_seats.period IS 'The period''s first local date.';
COMMENT ON COLUMN {schema}.billable_seats.starts IS 'The period''s first instant.';
COMMENT ON COLUMN {schema}.billable_seats.ends IS 'The period''s end, excluded.';
COMMENT ON COLUMN {schema}.billable_seats.days IS 'How many local dates begin in the period.';
COMMENT ON COLUMN {schema}.billable_seats.mode IS
    'The counting rule in force at the period''s start.';
COMMENT ON COLUMN {schema}.billable_seats.granularity IS
    'Of that rule, where it has one: day or second.';
COMMENT ON COLUMN {schema}.billable_seats.opening IS
    'Seats under contract when the period begins.';
COMMENT ON COLUMN {schema}.billable_seats.purchased IS 'Seats bought in it.';
COMMENT ON COLUMN {schema}.billable_seats.retired IS 'Seats retired in it.';
COMMENT ON COLUMN {schema}.billable_seats.closing IS 'Seats under contract when it ends.';
COMMENT ON COLUMN {schema}.billable_seats.assigned_opening IS
    'Seats held when the period begins.';
COMMENT ON COLUMN {schema}.billable_seats.assigned_peak IS 'The most seats held at one instant.';
COMMENT ON COLUMN {schema}.billable_seats.assigned_closing IS 'Seats held when it ends.';
COMMENT ON COLUMN {schema}.billable_seats.quantity IS
    'By the rule in force at the period''s start; shown to twelve places, kept exactly.';
COMMENT ON COLUMN {schema}.billable_seats.idle_seat_days IS
    'Local dates on which seats were under contract and held by nobody, summed.';
COMMENT ON COLUMN {schema}.billable_seats.complete IS
    'Whether the period has ended; else it is counted as if nothing more happened.';
COMMENT ON COLUMN {schema}.billable_seats.forecast IS
    'Whether the period has not begun: nobody is billed for it.';
