CREATE OR REPLACE VIEW projection.journal WITH (security_invoker = true) AS
SELECT said.position, said.recorded_at, said.effective_at, said.topic::text AS event,
       account.account_key AS account, account.account_id, person.user_id,
       said.seat_type::text AS seat_type, said.number,
       said.seat_type::text || '#' || said.number AS seat,
       said.hub, said.quantity, said.renewal, said.request, said.entry, said.root,
       said.holds, said.super_admin, said.account_access, said.actor, said.reason,
       said.idempotency_key, said.correlation_id, said.details
  FROM journal AS said
  JOIN account ON account.account_no = said.account_no
  LEFT JOIN person ON person.user_no = said.user_no;
COMMENT ON VIEW projection.journal IS 'One row is one event, decoded.';
COMMENT ON COLUMN projection.journal.position IS 'The total order of the store; gaps are possible.';
COMMENT ON COLUMN projection.journal.effective_at IS 'When it was true for the customer.';
COMMENT ON COLUMN projection.journal.recorded_at IS 'When the ledger wrote it down.';
COMMENT ON COLUMN projection.journal.entry IS 'Of a reversal: the position of what it names.';
COMMENT ON COLUMN projection.journal.root IS 'Of a reversal: the entry at the end of the chain.';
COMMENT ON COLUMN projection.journal.holds IS 'Of a reversal: whether that entry holds afterwards.';
