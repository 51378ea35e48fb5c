-- counts --
-- Of each seat type in some accounts at a moment: how many seats are under contract, how
-- many of them are held, and when that changes next.
SELECT selected.account_no, kind.type_no AS seat_type, step.purchased, step.assigned,
       later.at AS changes_at
  FROM unnest(%(account_nos)s::bigint[]) AS selected(account_no)
 CROSS JOIN seat_type AS kind
  LEFT JOIN LATERAL (
       SELECT counted.seats_purchased AS purchased, counted.seats_assigned AS assigned
         FROM {seat_count} AS counted
        WHERE counted.account_no = selected.account_no
          AND counted.seat_type = kind.type_no
          AND counted.at <= %(as_of)s::timestamptz
        ORDER BY counted.at DESC
        LIMIT 1) AS step ON true
  LEFT JOIN LATERAL (
       SELECT counted.at
         FROM {seat_count} AS counted
        WHERE counted.account_no = selected.account_no
          AND counted.seat_type = kind.type_no
          AND counted.at > %(as_of)s::timestamptz
        ORDER BY counted.at
        LIMIT 1) AS later ON true
 WHERE step.purchased > 0
    OR later.at IS NOT NULL
 ORDER BY selected.account_no, kind.name COLLATE "C";

-- invoiced --
-- Up to which position the invoices of some accounts knew, and up to which instant they
-- bill; those that are not voided.
SELECT entry.account_no, max((entry.details ->> 'cut_off')::bigint) AS cut_off,
       max((entry.details ->> 'until')::timestamptz) AS ends
  FROM journal AS entry
 WHERE entry.topic = 'InvoiceIssued'
   AND entry.account_no = ANY (%(account_nos)s::bigint[])
   AND entry.position <= %(known_position)s::bigint
   AND NOT EXISTS (
       SELECT 1
         FROM journal AS void
        WHERE void.topic = 'InvoiceVoided'
          AND void.account_no = entry.account_no
          AND void.details ->> 'invoice' = entry.details ->> 'invoice'
          AND void.position <= %(known_position)s::bigint)
 GROUP BY entry.account_no;

-- late --
-- How many entries of some accounts were recorded after a position, and are effective
-- before an instant.
SELECT entry.account_no, count(*) AS entries
  FROM journal AS entry
  JOIN unnest(%(account_nos)s::bigint[], %(cut_offs)s::bigint[], %(ends)s::timestamptz[])
       AS invoiced(account_no, cut_off, ends)
    ON invoiced.account_no = entry.account_no
 WHERE entry.position > %(first)s::bigint
   AND entry.position <= %(known_position)s::bigint
   AND entry.position > invoiced.cut_off
   AND entry.effective_at < invoiced.ends
 GROUP BY entry.account_no;

-- lists --
-- When the last two lists of some accounts were true, the later first (R86).
SELECT entry.account_no,
       (array_agg(entry.effective_at ORDER BY entry.effective_at DESC))[1:2] AS taken_at
  FROM journal AS entry
 WHERE entry.topic = 'SnapshotObserved'
   AND entry.account_no = ANY (%(account_nos)s::bigint[])
   AND entry.position <= %(known_position)s::bigint
   AND entry.effective_at <= %(as_of)s::timestamptz
 GROUP BY entry.account_no;

-- recorded --
-- What was recorded between two positions: of which account, what, and when effective.
SELECT position, account_no, effective_at, topic::text AS topic
  FROM journal
 WHERE position > %(since)s::bigint
   AND position <= %(known_position)s::bigint
 ORDER BY position
 LIMIT %(limit)s::bigint;
