-- Give up claims, and let idle workers know if that makes room.
--
-- Keys:      jobs:owners, jobs:ending and jobs:leases, taken from; jobs:running, counted; jobs:parked, whose jobs go back
--            to jobs:queue:<kind>; jobs:wake:<kind>, set; jobs:starts:<kind>, trimmed; jobs:limits and jobs:kinds, read.
-- Arguments: a job and its token for each claim.
-- Reply:     now in µs.

release(1, #ARGV)
local limits = read_limits()
wake_idle(limits, room_in_all(limits))
return {now_us}
