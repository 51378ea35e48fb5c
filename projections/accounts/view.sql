CREATE OR REPLACE VIEW projection.account WITH (security_invoker = true) AS
SELECT account_id, account_key AS account, name, opened_at, account_no AS opened
  FROM account;
COMMENT ON VIEW projection.account IS 'One row is one account ever opened.';
COMMENT ON COLUMN projection.account.account_id IS 'The name-based UUID of its key.';
COMMENT ON COLUMN projection.account.account IS 'The key that people call it by.';
COMMENT ON COLUMN projection.account.name IS 'What it was called at its opening.';
COMMENT ON COLUMN projection.account.opened_at IS 'When it was opened, for the customer.';
COMMENT ON COLUMN projection.account.opened IS 'The position of its opening.';
