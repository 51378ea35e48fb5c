-- Every reduction that holds, with its cancellation and its renewal, knowing the
-- events up to a position.
CREATE FUNCTION reduction_at(known bigint) RETURNS TABLE (
    account_no bigint,
    seat_type seat_type_name,
    quantity integer,
    renewal integer,
    requested_at timestamptz,
    cancelled_at timestamptz,
    renewed_at timestamptz,
    requested bigint
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT asked.account_no,
           asked.seat_type,
           asked.quantity,
           asked.renewal,
           asked.effective_at,
           (SELECT min(cancelled.effective_at)
              FROM entry_at(known) AS cancelled
             WHERE cancelled.topic = 'SeatReductionCancelled'
               AND cancelled.account_no = asked.account_no
               AND cancelled.seat_type = asked.seat_type
               AND cancelled.request = asked.version),
           (SELECT min(renewed.effective_at)
              FROM journal AS renewed
             WHERE renewed.topic = 'ContractRenewed'
               AND renewed.account_no = asked.account_no
               AND renewed.renewal = asked.renewal
               AND renewed.position <= known),
           asked.position
      FROM entry_at(known) AS asked
     WHERE asked.topic = 'SeatReductionRequested';
END;
