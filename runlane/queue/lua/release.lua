-- Give up claims, and let idle workers know if that makes room.
--
-- Keys:      runlane:owners, runlane:ending and runlane:leases, taken from; runlane:running, counted; runlane:parked, whose jobs go back
--            to runlane:queue:<kind>; runlane:wake:<kind>, set; runlane:starts:<kind>, trimmed; runlane:limits and runlane:kinds, read.
-- Arguments: a job and its token for each claim.
-- Reply:     now in µs.

release(1, #ARGV)
local limits = read_limits()
wake_idle(limits, room_in_all(limits))
return {now_us}
