-- journal --
CREATE OR REPLACE VIEW {schema}.journal WITH (security_invoker = true) AS
SELECT entry.position, entry.recorded_at, entry.effective_at, entry.topic::text AS event,
       account.account_key AS account, account.account_id, person.user_id,
       kind.name AS seat_type, entry.number,
       kind.name || '#' || entry.number AS seat,
       entry.hub, entry.quantity, entry.renewal, entry.request, entry.entry, entry.root,
       entry.holds, entry.super_admin, entry.account_access, entry.actor, entry.reason,
       entry.idempotency_key, entry.correlation_id, entry.details, entry.effective_after
  FROM journal AS entry
  JOIN account ON account.account_no = entry.account_no
  LEFT JOIN seat_type AS kind ON kind.type_no = entry.seat_type
  LEFT JOIN person ON person.user_no = entry.user_no;
COMMENT ON VIEW {schema}.journal IS 'One row is one event, decoded.';
COMMENT ON COLUMN {schema}.journal.event IS 'What happened.';
COMMENT ON COLUMN {schema}.journal.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.journal.account_id IS 'The account''s id.';
COMMENT ON COLUMN {schema}.journal.user_id IS 'The user that it is about, if any.';
COMMENT ON COLUMN {schema}.journal.seat_type IS 'Hub and tier.';
COMMENT ON COLUMN {schema}.journal.number IS 'The seat''s number within account and type.';
COMMENT ON COLUMN {schema}.journal.seat IS 'Type and number, as people write it.';
COMMENT ON COLUMN {schema}.journal.hub IS 'Of an access: to which hub.';
COMMENT ON COLUMN {schema}.journal.quantity IS 'Of a reduction: how many seats.';
COMMENT ON COLUMN {schema}.journal.renewal IS
    'Of a reduction or renewal: the number of the renewal.';
COMMENT ON COLUMN {schema}.journal.request IS
    'Of a cancelled reduction: the version of what it cancels.';
COMMENT ON COLUMN {schema}.journal.super_admin IS
    'Of permissions: whether the user administers the account.';
COMMENT ON COLUMN {schema}.journal.account_access IS
    'Of permissions: whether the user may see the account.';
COMMENT ON COLUMN {schema}.journal.actor IS
    'Who recorded it: a user''s id, or the name of a system.';
COMMENT ON COLUMN {schema}.journal.reason IS 'Why, in the words of the actor.';
COMMENT ON COLUMN {schema}.journal.idempotency_key IS
    'The key of the command; a command with the same key is taken once.';
COMMENT ON COLUMN {schema}.journal.correlation_id IS 'What ties it to records elsewhere.';
COMMENT ON COLUMN {schema}.journal.details IS
    'What only few kinds of events say, as it was recorded.';
COMMENT ON COLUMN {schema}.journal.position IS 'The total order of the store; gaps are possible.';
COMMENT ON COLUMN {schema}.journal.effective_at IS 'When it was true for the customer.';
COMMENT ON COLUMN {schema}.journal.effective_after IS
    'Where a dated list tells it: after when it happened, at the time it took effect at last.';
COMMENT ON COLUMN {schema}.journal.recorded_at IS 'When the ledger wrote it down.';
COMMENT ON COLUMN {schema}.journal.entry IS 'Of a reversal: the position of what it names.';
COMMENT ON COLUMN {schema}.journal.root IS 'Of a reversal: the entry at the end of the chain.';
COMMENT ON COLUMN {schema}.journal.holds IS 'Of a reversal: whether that entry holds afterwards.';
