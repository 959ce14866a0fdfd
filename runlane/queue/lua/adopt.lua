-- Give a lease to running jobs that nobody holds: their worker takes it over if it lives, else they run again after it.
--
-- Keys:      OWNERS and LEASES, written; RUNNING, counted; ENDING, read.
-- Arguments: lease in ms; then a job and its kind for each.
-- Reply:     now in µs; how many got one.

local adopted = 0
for i = 2, #ARGV, 2 do
  local id, kind = ARGV[i], ARGV[i + 1]
  if not token_of(id) then
    redis.call('HSET', OWNERS, id, kind .. '|adopted|0')
    redis.call('HINCRBY', RUNNING, kind, 1)
    redis.call('ZADD', LEASES, now_ms + ARGV[1], id)
    adopted = adopted + 1
  end
end
return {now_us, adopted}
