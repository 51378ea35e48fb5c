CREATE OR REPLACE VIEW projection.seat_count WITH (security_invoker = true) AS
SELECT account.account_key AS account, step.seat_type::text AS seat_type, step.at,
       step.purchased, step.assigned, step.purchased - step.assigned AS available
  FROM seat_count AS step
  JOIN account ON account.account_no = step.account_no;
COMMENT ON VIEW projection.seat_count IS
    'One row is one step: the counts from this instant until the type''s next row.';
