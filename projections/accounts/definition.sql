-- Every reduction that holds, with its cancellation and its renewal, knowing the
-- events up to a position.
CREATE FUNCTION projection.reduction(known bigint) RETURNS TABLE (
    account_id uuid,
    seat_type text,
    quantity integer,
    renewal integer,
    requested_at timestamptz,
    cancelled_at timestamptz,
    renewed_at timestamptz,
    requested bigint
)
LANGUAGE sql STABLE AS $$
    SELECT asked.account_id,
           asked.seat_type,
           asked.quantity,
           asked.renewal,
           asked.effective_at,
           (SELECT min(cancelled.effective_at)
              FROM projection.entry(known) AS cancelled
             WHERE cancelled.topic = 'SeatReductionCancelled'
               AND cancelled.account_id = asked.account_id
               AND cancelled.seat_type = asked.seat_type
               AND cancelled.request = asked.version),
           (SELECT min(renewed.effective_at)
              FROM projection.journal AS renewed
             WHERE renewed.topic = 'ContractRenewed'
               AND renewed.account_id = asked.account_id
               AND renewed.renewal = asked.renewal
               AND renewed.position <= known),
           asked.position
      FROM projection.entry(known) AS asked
     WHERE asked.topic = 'SeatReductionRequested'
$$;
