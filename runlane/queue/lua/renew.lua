-- Prolong the leases of claimed jobs.
--
-- Keys:      LEASES, written; OWNERS and ENDING, read.
-- Arguments: lease in ms; then a job and its token for each claim.
-- Reply:     now in µs; then the jobs that are not claimed under their token (any more).

local reply = {now_us}
for i = 2, #ARGV, 2 do
  if token_of(ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', LEASES, now_ms + ARGV[1], ARGV[i])
  else
    reply[#reply + 1] = ARGV[i]
  end
end
return reply
