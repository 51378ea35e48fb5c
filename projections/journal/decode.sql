-- unreadable --
-- The events of a range that cannot be read whatever they say (R74): of a type or
-- version that this program does not know (`is_known` is false), or with a version in the
-- stream that does not follow its last.
SELECT ranked.position, ranked.is_known, ranked.version,
       coalesce(ranked.last_version, earlier.last_version, 0) AS last_version
  FROM (
       SELECT notification_id AS position, originator_id AS stream,
              originator_version AS version,
              lag(originator_version) OVER (
                  PARTITION BY originator_id ORDER BY notification_id
              ) AS last_version,
              form_of(topic, state) IS NOT NULL
                  AND topic = ANY (
                      (SELECT enum_range(NULL::topic_name)::text[])::text[]) AS is_known
         FROM ledger.stored_events
        WHERE notification_id > %(after)s::bigint
          AND notification_id <= %(until_position)s::bigint
          AND is_read(originator_id, notification_id,
                      %(aside)s::uuid[], %(aside_from)s::bigint[])
          AND (%(only)s::uuid[] IS NULL OR originator_id = ANY (%(only)s::uuid[]))
       ) AS ranked
  LEFT JOIN LATERAL (
       SELECT before.originator_version AS last_version
         FROM ledger.stored_events AS before
        WHERE ranked.last_version IS NULL
          AND before.originator_id = ranked.stream
          AND before.notification_id <= %(after)s::bigint
        ORDER BY before.originator_version DESC
        LIMIT 1) AS earlier ON true
 WHERE NOT ranked.is_known
    OR ranked.version <> 1 + coalesce(ranked.last_version, earlier.last_version, 0)
 ORDER BY ranked.position;

-- stored --
-- What an event is, and of which account, as far as can be told without reading what it
-- says: by its stream, or by who is known to be a user of the account.
SELECT stored.topic, stored.originator_id AS stream,
       stored.originator_version AS version, stored.state,
       coalesce(
           called.account_id,
           (SELECT of_person.account_id
              FROM person
              JOIN account AS of_person ON of_person.account_no = person.account_no
             WHERE person.user_id = stored.originator_id)) AS account_id
  FROM ledger.stored_events AS stored
  LEFT JOIN ledger.user_name AS called ON called.user_id = stored.originator_id
 WHERE stored.notification_id = %(position)s::bigint;

-- opening --
-- The event that opened the account of a stream, whatever it says.
SELECT opened.notification_id AS account_no, opened.state, account.account_key
  FROM ledger.stored_events AS opened
  LEFT JOIN account ON account.account_id = opened.originator_id
 WHERE opened.originator_id = %(account_id)s::uuid
   AND opened.topic = 'AccountOpened'
 ORDER BY opened.notification_id
 LIMIT 1;

-- journal --
-- Every event after one position, up to another, as a row of the journal.
SELECT entry.position,
       entry.recorded_at,
       entry.effective_at::timestamptz,
       entry.effective_after::timestamptz,
       coalesce(account.account_no, CASE WHEN entry.account_id = %(catalogue)s::uuid THEN 0 END),
       person.user_no,
       entry.version,
       CASE
           WHEN entry.form IS NULL THEN entry.topic || ' of another version'
           ELSE entry.topic
       END::topic_name,
       CASE
           WHEN kind.type_no IS NULL
           THEN ('no seat type is called ' || entry.seat_type)::integer
           ELSE kind.type_no
       END,
       entry.number::integer,
       entry.quantity::integer,
       entry.renewal::integer,
       entry.request::bigint,
       entry.entry::bigint,
       entry.root::bigint,
       entry.holds::boolean,
       entry.super_admin::boolean,
       entry.account_access::boolean,
       entry.hub,
       entry.actor,
       entry.reason,
       entry.idempotency_key,
       entry.correlation_id,
       CASE
           WHEN NOT entry.common AND entry.topic IN (
               'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
               'InvoiceIssued', 'InvoiceVoided', 'ContractChanged', 'AccountClosed',
               'SnapshotObserved', 'UnassignmentRequested', 'PriceSet',
               'FindingOpened', 'FindingNoted', 'FindingSettled'
           )
           THEN entry.whole - ARRAY[
               'v', 'effective_at', 'actor', 'reason', 'idempotency_key',
               'correlation_id', 'seat_type', 'number', 'user'
           ]
       END
  FROM (
       SELECT stored.position, stored.recorded_at, stored.topic, stored.version,
              stored.common, CASE WHEN NOT stored.common THEN stored.whole END AS whole,
              CASE
                  WHEN stored.common THEN stored.stream
                  ELSE coalesce((stored.whole ->> 'account')::uuid, stored.stream)
              END AS account_id,
              CASE
                  WHEN stored.common OR stored.whole ->> 'account' IS NULL
                  THEN (stored.whole ->> 'user')::uuid
                  ELSE stored.stream
              END AS user_id,
              stored.form,
              stored.whole ->> 'effective_at' AS effective_at,
              stored.whole ->> 'effective_after' AS effective_after,
              stored.whole ->> 'seat_type' AS seat_type,
              stored.whole ->> 'number' AS number,
              CASE WHEN NOT stored.common THEN stored.whole ->> 'quantity' END AS quantity,
              CASE WHEN NOT stored.common THEN stored.whole ->> 'renewal' END AS renewal,
              CASE WHEN stored.topic NOT IN ('SeatAssigned', 'SeatPurchased')
                   THEN stored.whole ->> 'request' END AS request,
              CASE WHEN NOT stored.common THEN stored.whole ->> 'entry' END AS entry,
              CASE WHEN NOT stored.common THEN stored.whole ->> 'root' END AS root,
              CASE WHEN NOT stored.common THEN stored.whole ->> 'holds' END AS holds,
              CASE WHEN NOT stored.common THEN stored.whole ->> 'super_admin' END AS super_admin,
              CASE WHEN NOT stored.common THEN stored.whole ->> 'account_access' END AS account_access,
              CASE WHEN NOT stored.common THEN stored.whole ->> 'hub' END AS hub,
              stored.whole ->> 'actor' AS actor,
              stored.whole ->> 'reason' AS reason,
              stored.whole ->> 'idempotency_key' AS idempotency_key,
              stored.whole ->> 'correlation_id' AS correlation_id
         FROM (
              SELECT notification_id AS position, recorded_at, topic,
                     originator_id AS stream, originator_version AS version,
                     topic IN ('SeatAssigned', 'SeatUnassigned', 'SeatPurchased')
                         AS common,
                     form_of(topic, state) AS form,
                     convert_from(state, 'UTF8')::jsonb AS whole
                FROM ledger.stored_events
               WHERE notification_id > %(after)s::bigint
                 AND notification_id <= %(until_position)s::bigint
                 AND is_read(originator_id, notification_id,
                             %(aside)s::uuid[], %(aside_from)s::bigint[])
                 AND (%(only)s::uuid[] IS NULL
                      OR originator_id = ANY (%(only)s::uuid[]))
              OFFSET 0
              ) AS stored
       OFFSET 0
       ) AS entry
  LEFT JOIN account
    ON account.account_id = entry.account_id
   AND is_read(entry.account_id, entry.position,
               %(aside)s::uuid[], %(aside_from)s::bigint[])
  LEFT JOIN seat_type AS kind ON kind.name = entry.seat_type
  LEFT JOIN person
    ON person.user_id = entry.user_id
   AND person.account_no = account.account_no;
