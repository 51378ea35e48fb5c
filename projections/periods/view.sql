-- billing_period --
CREATE OR REPLACE VIEW {schema}.billing_period WITH (security_invoker = true) AS
SELECT account.account_key AS account, period.label AS period, period.starts,
       period.ends, period.days,
       extract(epoch FROM period.ends - period.starts) AS seconds, period.time_zone,
       period.mode, period.granularity
  FROM billing_period AS period
  JOIN account ON account.account_no = period.account_no;
COMMENT ON VIEW {schema}.billing_period IS
    'One row is one billing period: half-open, bounds from the account''s calendar.';
COMMENT ON COLUMN {schema}.billing_period.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.billing_period.starts IS 'The first instant.';
COMMENT ON COLUMN {schema}.billing_period.ends IS 'The end, excluded.';
COMMENT ON COLUMN {schema}.billing_period.days IS 'How many local dates begin in it.';
COMMENT ON COLUMN {schema}.billing_period.seconds IS 'Its length in elapsed seconds.';
COMMENT ON COLUMN {schema}.billing_period.time_zone IS 'The zone of its first bound.';
COMMENT ON COLUMN {schema}.billing_period.granularity IS
    'Of that rule, where it has one: day or second.';
COMMENT ON COLUMN {schema}.billing_period.period IS 'The first local date.';
COMMENT ON COLUMN {schema}.billing_period.mode IS 'The counting rule in force at its start.';
