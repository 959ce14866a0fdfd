-- Claim again jobs whose code still runs though Redis has no claim: it was emptied, or the lease was over.
--
-- Keys:      OWNERS and LEASES, written; RUNNING, counted; ENDING, read.
-- Arguments: lease in ms; then a job and its token for each.
-- Reply:     now in µs; then the jobs that another holds by now.

local reply = {now_us}
for i = 2, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local owner = token_of(id)
  if owner and owner ~= token and not string.find(owner, '|adopted|', 1, true) then
    reply[#reply + 1] = id
  else
    if not owner then redis.call('HINCRBY', RUNNING, kind_of(token), 1) end
    if redis.call('HEXISTS', ENDING, id) == 0 then redis.call('HSET', OWNERS, id, token) end
    redis.call('ZADD', LEASES, now_ms + ARGV[1], id)
  end
end
return reply
