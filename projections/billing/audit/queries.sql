-- contracts --
-- The contracts of some accounts, with all that is recorded of them.
SELECT contract.*
  FROM account
 CROSS JOIN LATERAL (
       SELECT *
         FROM contract_at(9223372036854775807)
        WHERE account_no = account.account_no
       OFFSET 0) AS contract
 WHERE account.account_id = ANY (%(account_ids)s::uuid[])
 ORDER BY contract.account_no, contract.position;

-- invoices --
-- The currencies of some accounts' invoices; what those of periods that were issued
-- with other zone data keep of their bounds.
SELECT invoice.*
  FROM unnest(%(account_nos)s::bigint[]) AS selected(account_no)
 CROSS JOIN LATERAL (
       SELECT account_no, position, details ->> 'currency' AS currency,
              CASE WHEN details ->> 'tzdata' <> %(tzdata)s::text
                    AND details ? 'dates'
                   THEN details END AS details
         FROM journal
        WHERE account_no = selected.account_no
          AND topic = 'InvoiceIssued'
       OFFSET 0) AS invoice;

-- reversals --
-- Every reversal of some entries, and whether they hold after it.
SELECT position, root, holds
  FROM journal
 WHERE topic = 'EntryReversed'
   AND root = ANY (%(roots)s::bigint[])
 ORDER BY position;

-- positions --
-- The last position recorded at or before each of some instants.
SELECT selected.n, position_at(selected.instant) AS position
  FROM unnest(%(instants)s::timestamptz[]) WITH ORDINALITY AS selected(instant, n);

-- stored --
-- The kept figures of some periods.
SELECT counted.*
  FROM unnest(%(account_nos)s::bigint[], %(period_nos)s::integer[])
       AS selected(account_no, period_no)
 CROSS JOIN LATERAL (
       SELECT *
         FROM billable_seats
        WHERE account_no = selected.account_no
          AND period_no = selected.period_no
       OFFSET 0) AS counted;

-- touched --
-- For some accounts, the last entry that can touch a type's figures before each of some
-- instants: of its contract, and of what was held. An entry counts from the number of
-- those instants on that do not lie after it.
SELECT selected.account_no, coalesce(root.seat_type, entry.seat_type) AS seat_type,
       width_bucket(entry.effective_at, selected.ends) AS bucket,
       max(entry.position) FILTER (
           WHERE coalesce(root.topic, entry.topic) IN ('SeatPurchased', 'SeatRetired'))
           AS contract,
       max(entry.position) FILTER (
           WHERE coalesce(root.topic, entry.topic) IN ('SeatAssigned', 'SeatUnassigned'))
           AS held
  FROM (
       SELECT account_no, ends::timestamptz[] AS ends
         FROM unnest(%(account_nos)s::bigint[], %(ends)s::text[])
              AS each_of(account_no, ends)
       OFFSET 0) AS selected
 CROSS JOIN LATERAL (
       SELECT position, effective_at, seat_type, topic, root
         FROM journal
        WHERE account_no = selected.account_no
       OFFSET 0) AS entry
  LEFT JOIN LATERAL (
       SELECT seat_type, topic
         FROM journal
        WHERE position = entry.root
       OFFSET 0) AS root
    ON entry.topic = 'EntryReversed'
 WHERE entry.position > %(after)s::bigint
   AND entry.position <= %(until_position)s::bigint
   AND entry.topic IN ('SeatPurchased', 'SeatRetired', 'SeatAssigned',
                      'SeatUnassigned', 'EntryReversed')
   AND coalesce(root.seat_type, entry.seat_type) IS NOT NULL
 GROUP BY 1, 2, 3;

-- own_contract --
-- The entries that make up a contracted figure: purchases, and retirements inside.
SELECT question.n, array_agg(DISTINCT entry.position ORDER BY entry.position) AS entries
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(type_nos)s::integer[],
       %(starts)s::timestamptz[], %(ends)s::timestamptz[]
       ) AS question(n, account_no, seat_type, starts, ends)
 CROSS JOIN LATERAL (
       SELECT purchased_position,
              CASE WHEN retires_at <= question.ends THEN retired_position END
                  AS retired_position
         FROM {seat}
        WHERE account_no = question.account_no
          AND seat_type = question.seat_type
          AND purchased_at < question.ends
          AND (retires_at IS NULL OR retires_at > question.starts)
       OFFSET 0) AS life
 CROSS JOIN LATERAL unnest(ARRAY[life.purchased_position, life.retired_position])
       AS entry(position)
 WHERE entry.position IS NOT NULL
 GROUP BY question.n;

-- own_held --
-- The entries that make up a figure of what was held: assignments, and ends inside.
SELECT question.n, array_agg(DISTINCT entry.position ORDER BY entry.position) AS entries
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(type_nos)s::integer[],
       %(starts)s::timestamptz[], %(ends)s::timestamptz[]
       ) AS question(n, account_no, seat_type, starts, ends)
 CROSS JOIN LATERAL (
       SELECT assigned_position,
              CASE WHEN held_until <= question.ends THEN unassigned_position END
                  AS ended
         FROM {seat_holding}
        WHERE account_no = question.account_no
          AND seat_type = question.seat_type
          AND NOT reversed
          AND held_from < question.ends
          AND (held_until IS NULL OR held_until > question.starts)
          AND held_until IS DISTINCT FROM held_from
       OFFSET 0) AS held
 CROSS JOIN LATERAL unnest(ARRAY[held.assigned_position, held.ended]) AS entry(position)
 WHERE entry.position IS NOT NULL
 GROUP BY question.n;

-- recorded_since --
-- What was recorded of a type's seats between two positions, with an effect before an
-- instant; a reversal stands for the entry that it reverses.
SELECT question.n, entry.position, coalesce(root.number, entry.number) AS number, entry.root
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(type_nos)s::integer[],
       %(ends)s::timestamptz[], %(issued)s::bigint[]
       ) AS question(n, account_no, seat_type, ends, issued)
 CROSS JOIN LATERAL (
       SELECT position, seat_type, number, topic, root
         FROM journal
        WHERE account_no = question.account_no
          AND effective_at < question.ends
       OFFSET 0) AS entry
  LEFT JOIN LATERAL (
       SELECT seat_type, number, topic
         FROM journal
        WHERE position = entry.root
       OFFSET 0) AS root
    ON entry.topic = 'EntryReversed'
 WHERE entry.position > question.issued
   AND entry.position <= %(until_position)s::bigint
   AND coalesce(root.seat_type, entry.seat_type) = question.seat_type
   AND coalesce(root.topic, entry.topic) = ANY (%(topics)s::topic_name[])
 ORDER BY entry.position;

-- lives_known --
-- From when to when some seats were under contract, each as known at a position.
SELECT question.n, question.known_position, question.number, NULL::bigint AS user_no,
       life.purchased_at AS since, life.retires_at AS until,
       life.purchased_position AS opened, life.retired_position AS closed
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(type_nos)s::integer[],
       %(numbers)s::integer[], %(known_positions)s::bigint[]
       ) AS question(n, account_no, seat_type, number, known_position)
 CROSS JOIN LATERAL (
       SELECT purchased_at, retires_at, purchased_position, retired_position
         FROM seat_at(question.known_position)
        WHERE account_no = question.account_no
          AND seat_type = question.seat_type
          AND number = question.number
       OFFSET 0) AS life;

-- held_known --
-- Who held some seats, each as known at a position.
SELECT question.n, question.known_position, question.number, held.user_no,
       held.held_from AS since, held.held_until AS until,
       held.assigned_position AS opened, held.unassigned_position AS closed
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(type_nos)s::integer[],
       %(numbers)s::integer[], %(known_positions)s::bigint[]
       ) AS question(n, account_no, seat_type, number, known_position)
 CROSS JOIN LATERAL (
       SELECT user_no, held_from, held_until, assigned_position, unassigned_position
         FROM seat_holding_at(question.known_position)
        WHERE account_no = question.account_no
          AND seat_type = question.seat_type
          AND number = question.number
          AND NOT reversed
       OFFSET 0) AS held;
