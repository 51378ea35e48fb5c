-- account --
CREATE OR REPLACE VIEW {schema}.account WITH (security_invoker = true) AS
SELECT account_id, account_key AS account, name, opened_at, account_no AS opened
  FROM account;
COMMENT ON VIEW {schema}.account IS 'One row is one account ever opened.';
COMMENT ON COLUMN {schema}.account.account_id IS 'The name-based UUID of its key.';
COMMENT ON COLUMN {schema}.account.account IS 'The key that people call it by.';
COMMENT ON COLUMN {schema}.account.name IS 'What it was called at its opening.';
COMMENT ON COLUMN {schema}.account.opened_at IS 'When it was opened, for the customer.';
COMMENT ON COLUMN {schema}.account.opened IS 'The position of its opening.';

-- set_aside --
CREATE OR REPLACE VIEW {schema}.set_aside WITH (security_invoker = true) AS
SELECT account_id, account_key AS account, position, stream, version, topic AS event,
       reason, since
  FROM set_aside;
COMMENT ON VIEW {schema}.set_aside IS
    'One row is one account whose tables end before an event that cannot be read.';
COMMENT ON COLUMN {schema}.set_aside.account_id IS 'The name-based UUID of its key.';
COMMENT ON COLUMN {schema}.set_aside.account IS 'The key that people call it by.';
COMMENT ON COLUMN {schema}.set_aside.position IS 'Where the event stands in the store.';
COMMENT ON COLUMN {schema}.set_aside.stream IS 'The stream of the event.';
COMMENT ON COLUMN {schema}.set_aside.version IS 'The version of the event in its stream.';
COMMENT ON COLUMN {schema}.set_aside.event IS 'What its type says it is.';
COMMENT ON COLUMN {schema}.set_aside.reason IS 'Why it cannot be read.';
COMMENT ON COLUMN {schema}.set_aside.since IS 'When the account was set aside.';
