-- journal --
-- What the lake has of the journal's rows: all that the definitions read, and no more. An
-- actor is the number of a user of the ledger, or nobody; what reasons, keys and names
-- say is not there, so that an erasure has nothing to remove. Details are those of the
-- contract, of prices, of what is to be unassigned, and what an invoice keeps of its
-- period: currency, bounds and dates.
SELECT (entry.account_no %% 256)::smallint AS bucket,
       entry.account_no, entry.position, entry.recorded_at, entry.effective_at,
       entry.effective_after, entry.user_no, entry.version, entry.topic, entry.seat_type,
       entry.number, entry.quantity, entry.renewal, entry.request, entry.entry,
       entry.root, entry.holds, entry.super_admin, entry.account_access, entry.hub,
       acting.user_no AS actor_no,
       CASE
           WHEN entry.topic = ANY (ARRAY[
               'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
               'ContractChanged', 'AccountClosed', 'PriceSet',
               'UnassignmentRequested', 'InvoiceIssued']::topic_name[])
           THEN entry.details - ARRAY[
               'name', 'invoice', 'unit_prices', 'cut_off', 'digest', 'lines',
               'corrections', 'tree_size', 'tree_root']
       END AS details
  FROM {rows} AS entry
  LEFT JOIN person AS acting
    ON acting.user_id = CASE
           WHEN entry.actor LIKE 'user:%%' THEN substr(entry.actor, 6)::uuid
       END
 WHERE entry.position > %(after)s::bigint
   AND entry.position <= %(until_position)s::bigint
 ORDER BY bucket, entry.account_no, entry.position

-- seat_types --
SELECT type_no, name FROM seat_type WHERE added <= %(until_position)s::bigint ORDER BY type_no

-- changed --
-- Accounts of which something was recorded behind a position.
SELECT DISTINCT account_no FROM journal WHERE position > %(after)s::bigint

-- columns --
-- What a rebuild computes of: the numbers of each event of some positions, an array a
-- column. The kinds are by their place in bulk.py.
SELECT array_agg(entry.position), array_agg(entry.account_no),
       array_agg(entry.effective_at), array_agg(coalesce(entry.user_no, entry.root, 0)),
       array_agg(coalesce(entry.seat_type, 0)), array_agg(coalesce(entry.number, 0)),
       array_agg((CASE
           WHEN entry.topic = 'SeatPurchased' THEN 0
           WHEN entry.topic = 'SeatRetired' THEN 1
           WHEN entry.topic = 'SeatAssigned' THEN 2
           WHEN entry.topic = 'SeatUnassigned' THEN 3
           WHEN entry.holds THEN 5
           ELSE 4
       END)::smallint)
  FROM journal AS entry
 WHERE entry.position > %(after)s::bigint
   AND entry.position <= %(until_position)s::bigint
   AND entry.topic IN ('SeatPurchased', 'SeatRetired', 'SeatAssigned', 'SeatUnassigned',
                       'EntryReversed')

-- types --
-- The columns of a table and their types, in its order.
SELECT attribute.attname::text, format_type(attribute.atttypid, NULL)
  FROM pg_catalog.pg_attribute AS attribute
 WHERE attribute.attrelid = %(name)s::text::regclass
   AND attribute.attnum > 0
   AND NOT attribute.attisdropped
 ORDER BY attribute.attnum
