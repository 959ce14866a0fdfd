-- Give up claims, and wake idle workers if that makes room.
--
-- Keys:      OWNERS, ENDING and LEASES, taken from; RUNNING, counted; PARKED, whose jobs go back
--            to QUEUE<kind>; WAKE<kind>, set; STARTS<kind>, trimmed; LIMITS and KINDS, read.
-- Arguments: a job and its token for each claim.
-- Reply:     now in µs.

release(1, #ARGV)
local limits = read_limits()
wake_idle(limits, room_in_all(limits))
return {now_us}
