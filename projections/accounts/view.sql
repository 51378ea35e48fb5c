CREATE OR REPLACE VIEW projection.account WITH (security_invoker = true) AS
SELECT account_id, account_key AS account, name, opened_at, account_no AS opened
  FROM account;
COMMENT ON VIEW projection.account IS 'One row is one account ever opened.';
COMMENT ON COLUMN projection.account.opened IS 'The position of its opening.';
