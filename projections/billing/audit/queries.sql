-- contracts --
-- What was said of some accounts' contracts, and when that became known.
SELECT said.account_no, said.topic::text AS topic, said.position, said.effective_at,
       said.details, said.renewal
  FROM account
  JOIN journal AS said ON said.account_no = account.account_no
 WHERE account.account_id = ANY (%(account_ids)s::uuid[])
   AND said.topic IN (
           'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
           'ContractRenewed', 'InvoiceIssued'
       )
 ORDER BY said.account_no, said.position;

-- reversals --
-- Every reversal of some entries, and whether they hold after it.
SELECT position, root, holds
  FROM journal
 WHERE topic = 'EntryReversed'
   AND root = ANY (%(roots)s::bigint[])
 ORDER BY position;

-- positions --
-- The last position recorded at or before each of some instants.
SELECT given.n, position_at(given.instant) AS position
  FROM unnest(%(instants)s::timestamptz[]) WITH ORDINALITY AS given(instant, n);

-- kept --
-- The kept figures of some periods.
SELECT counted.*, counted.seat_type::text AS seat_type
  FROM unnest(%(account_nos)s::bigint[], %(period_nos)s::integer[])
       AS wanted(account_no, period_no)
 CROSS JOIN LATERAL (
       SELECT *
         FROM billable_seats
        WHERE account_no = wanted.account_no
          AND period_no = wanted.period_no
       OFFSET 0) AS counted;

-- touched --
-- For some accounts, the last entry that can touch a type's figures before each of some
-- instants: of its contract, and of what was held. An entry counts from the number of
-- those instants on that do not lie after it.
SELECT given.account_no, coalesce(root.seat_type, said.seat_type)::text AS seat_type,
       width_bucket(said.effective_at, given.ends) AS bucket,
       max(said.position) FILTER (
           WHERE coalesce(root.topic, said.topic) IN ('SeatPurchased', 'SeatRetired'))
           AS contract,
       max(said.position) FILTER (
           WHERE coalesce(root.topic, said.topic) IN ('SeatAssigned', 'SeatUnassigned'))
           AS held
  FROM (
       SELECT account_no, ends::timestamptz[] AS ends
         FROM unnest(%(account_nos)s::bigint[], %(ends)s::text[])
              AS each_of(account_no, ends)
       OFFSET 0) AS given
 CROSS JOIN LATERAL (
       SELECT position, effective_at, seat_type, topic, root
         FROM journal
        WHERE account_no = given.account_no
       OFFSET 0) AS said
  LEFT JOIN LATERAL (
       SELECT seat_type, topic
         FROM journal
        WHERE position = said.root
       OFFSET 0) AS root
    ON said.topic = 'EntryReversed'
 WHERE said.position > %(after)s::bigint
   AND said.position <= %(upto)s::bigint
   AND said.topic IN ('SeatPurchased', 'SeatRetired', 'SeatAssigned',
                      'SeatUnassigned', 'EntryReversed')
   AND coalesce(root.seat_type, said.seat_type) IS NOT NULL
 GROUP BY 1, 2, 3;

-- own_contract --
-- The entries that make up a contracted figure: purchases, and retirements inside.
SELECT asked.n, array_agg(DISTINCT entry.position ORDER BY entry.position) AS entries
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(seat_types)s::seat_type_name[],
       %(starts)s::timestamptz[], %(ends)s::timestamptz[]
       ) AS asked(n, account_no, seat_type, starts, ends)
 CROSS JOIN LATERAL (
       SELECT purchased, CASE WHEN retires_at <= asked.ends THEN retired END AS retired
         FROM seat_at(%(known)s::bigint)
        WHERE account_no = asked.account_no
          AND seat_type = asked.seat_type
          AND purchased_at < asked.ends
          AND (retires_at IS NULL OR retires_at > asked.starts)
       OFFSET 0) AS life
 CROSS JOIN LATERAL unnest(ARRAY[life.purchased, life.retired]) AS entry(position)
 WHERE entry.position IS NOT NULL
 GROUP BY asked.n;

-- own_held --
-- The entries that make up a figure of what was held: assignments, and ends inside.
SELECT asked.n, array_agg(DISTINCT entry.position ORDER BY entry.position) AS entries
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(seat_types)s::seat_type_name[],
       %(starts)s::timestamptz[], %(ends)s::timestamptz[]
       ) AS asked(n, account_no, seat_type, starts, ends)
 CROSS JOIN LATERAL (
       SELECT assigned, CASE WHEN held_until <= asked.ends THEN unassigned END AS ended
         FROM seat_holding_at(%(known)s::bigint)
        WHERE account_no = asked.account_no
          AND seat_type = asked.seat_type
          AND NOT reversed
          AND held_from < asked.ends
          AND (held_until IS NULL OR held_until > asked.starts)
          AND held_until IS DISTINCT FROM held_from
       OFFSET 0) AS held
 CROSS JOIN LATERAL unnest(ARRAY[held.assigned, held.ended]) AS entry(position)
 WHERE entry.position IS NOT NULL
 GROUP BY asked.n;

-- recorded_since --
-- What was recorded of a type's seats between two positions, with an effect before an
-- instant; a reversal stands for the entry that it reverses.
SELECT asked.n, said.position, coalesce(root.number, said.number) AS number, said.root
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(seat_types)s::seat_type_name[],
       %(ends)s::timestamptz[], %(issued)s::bigint[]
       ) AS asked(n, account_no, seat_type, ends, issued)
 CROSS JOIN LATERAL (
       SELECT position, seat_type, number, topic, root
         FROM journal
        WHERE account_no = asked.account_no
          AND effective_at < asked.ends
       OFFSET 0) AS said
  LEFT JOIN LATERAL (
       SELECT seat_type, number, topic
         FROM journal
        WHERE position = said.root
       OFFSET 0) AS root
    ON said.topic = 'EntryReversed'
 WHERE said.position > asked.issued
   AND said.position <= %(upto)s::bigint
   AND coalesce(root.seat_type, said.seat_type) = asked.seat_type
   AND coalesce(root.topic, said.topic) = ANY (%(topics)s::topic_name[])
 ORDER BY said.position;

-- lives_known --
-- From when to when some seats were under contract, each as known at a position.
SELECT asked.n, asked.known, asked.number, NULL::bigint AS user_no,
       life.purchased_at AS since, life.retires_at AS until,
       life.purchased AS opened, life.retired AS closed
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(seat_types)s::seat_type_name[],
       %(numbers)s::integer[], %(knowns)s::bigint[]
       ) AS asked(n, account_no, seat_type, number, known)
 CROSS JOIN LATERAL (
       SELECT purchased_at, retires_at, purchased, retired
         FROM seat_at(asked.known)
        WHERE account_no = asked.account_no
          AND seat_type = asked.seat_type
          AND number = asked.number
       OFFSET 0) AS life;

-- held_known --
-- Who held some seats, each as known at a position.
SELECT asked.n, asked.known, asked.number, held.user_no,
       held.held_from AS since, held.held_until AS until,
       held.assigned AS opened, held.unassigned AS closed
  FROM unnest(
       %(ns)s::bigint[], %(account_nos)s::bigint[], %(seat_types)s::seat_type_name[],
       %(numbers)s::integer[], %(knowns)s::bigint[]
       ) AS asked(n, account_no, seat_type, number, known)
 CROSS JOIN LATERAL (
       SELECT user_no, held_from, held_until, assigned, unassigned
         FROM seat_holding_at(asked.known)
        WHERE account_no = asked.account_no
          AND seat_type = asked.seat_type
          AND number = asked.number
          AND NOT reversed
       OFFSET 0) AS held;
