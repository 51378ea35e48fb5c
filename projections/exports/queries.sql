-- holdings --
-- Every holding of some accounts, with what was reversed, and the other ends of the
-- windows in which it began and ended (R85).
SELECT its.account_no, its.seat_type, its.number, its.user_no, its.held_from,
       its.held_until, its.assigned_position AS assigned,
       its.unassigned_position AS unassigned, its.reversed,
       opening.effective_after AS held_after, closing.effective_after AS until_after
  FROM {seat_holding} AS its
  JOIN seat_type AS kind ON kind.type_no = its.seat_type
  LEFT JOIN (
       SELECT position, effective_after
         FROM journal
        WHERE account_no = ANY (%(account_nos)s::bigint[])
          AND effective_after IS NOT NULL) AS opening
    ON opening.position = its.assigned_position
  LEFT JOIN (
       SELECT position, effective_after
         FROM journal
        WHERE account_no = ANY (%(account_nos)s::bigint[])
          AND effective_after IS NOT NULL) AS closing
    ON closing.position = its.unassigned_position
 WHERE its.account_no = ANY (%(account_nos)s::bigint[])
 ORDER BY its.account_no, kind.name COLLATE "C", its.number, its.held_from,
          its.held_until, its.entry;

-- counts --
-- The step functions of some accounts, with the other end of the longest window in which
-- a step happened (R85).
SELECT its.account_no, its.seat_type, its.at, its.seats_purchased AS purchased,
       its.seats_assigned AS assigned, derived.effective_after AS at_after
  FROM {seat_count} AS its
  JOIN seat_type AS kind ON kind.type_no = its.seat_type
  LEFT JOIN (
       SELECT account_no, seat_type, effective_at,
              min(effective_after) AS effective_after
         FROM entry_at(%(known_position)s::bigint)
        WHERE account_no = ANY (%(account_nos)s::bigint[])
          AND effective_after IS NOT NULL
        GROUP BY account_no, seat_type, effective_at) AS derived
    ON derived.account_no = its.account_no
   AND derived.seat_type = its.seat_type
   AND derived.effective_at = its.at
 WHERE its.account_no = ANY (%(account_nos)s::bigint[])
 ORDER BY its.account_no, kind.name COLLATE "C", its.at;
