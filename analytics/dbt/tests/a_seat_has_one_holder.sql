-- Two holdings of one seat never overlap.
SELECT one.account, one.seat
  FROM {{ ref('holdings') }} AS one
  JOIN {{ ref('holdings') }} AS other
    ON other.account = one.account AND other.seat = one.seat
   AND other.assigned > one.assigned
   AND other.held_from < coalesce(one.held_until, 'infinity')
   AND one.held_from < coalesce(other.held_until, 'infinity')
