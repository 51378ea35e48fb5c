CREATE OR REPLACE VIEW projection.billable_seats WITH (security_invoker = true) AS
SELECT account.account_key AS account, counted.seat_type::text AS seat_type,
       period.label AS period, period.starts, period.ends, period.days, period.mode,
       period.granularity, counted.opening, counted.purchased, counted.retired,
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
       counted.idle_days AS idle_seat_days
  FROM billable_seats AS counted
  JOIN account ON account.account_no = counted.account_no
  JOIN billing_period AS period
    ON period.account_no = counted.account_no
   AND period.period_no = counted.period_no
 CROSS JOIN LATERAL (
       SELECT round(extract(epoch FROM period.ends - period.starts) * 1000000)
                  AS microseconds
       ) AS length;
COMMENT ON VIEW projection.billable_seats IS
    'One row is what counts of one account, billing period and seat type.';
COMMENT ON COLUMN projection.billable_seats.quantity IS
    'By the rule in force at the period''s start; shown to twelve places, kept exactly.';
COMMENT ON COLUMN projection.billable_seats.idle_seat_days IS
    'Local dates on which seats were under contract and held by nobody, summed.';
