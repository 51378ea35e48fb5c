-- journal --
-- What the lake has of the journal's rows: all that the definitions read, and no more. An
-- actor is the number of a user of the ledger, or nobody; what reasons, keys and names
-- say is not there, so that an erasure has nothing to remove.
SELECT (entry.account_no %% 256)::smallint AS bucket,
       entry.account_no, entry.position, entry.recorded_at, entry.effective_at,
       entry.effective_after, entry.user_no, entry.version, entry.topic, entry.seat_type,
       entry.number, entry.quantity, entry.renewal, entry.request, entry.entry,
       entry.root, entry.holds, entry.super_admin, entry.account_access, entry.hub,
       acting.user_no AS actor_no,
       CASE
           WHEN entry.topic = ANY (ARRAY[
               'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
               'ContractChanged', 'AccountClosed']::topic_name[])
           THEN entry.details - 'name'
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
