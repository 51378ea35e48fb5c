CREATE OR REPLACE VIEW projection.billing_period WITH (security_invoker = true) AS
SELECT account.account_key AS account, period.label AS period, period.starts,
       period.ends, period.days,
       extract(epoch FROM period.ends - period.starts) AS seconds, period.time_zone,
       period.mode, period.granularity
  FROM billing_period AS period
  JOIN account ON account.account_no = period.account_no;
COMMENT ON VIEW projection.billing_period IS
    'One row is one billing period: half-open, bounds from the account''s calendar.';
COMMENT ON COLUMN projection.billing_period.period IS 'The first local date.';
COMMENT ON COLUMN projection.billing_period.mode IS 'The counting rule in force at its start.';
