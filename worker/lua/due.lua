-- What has fallen due: scheduled names whose time has come, and leases that are over. Whoever is told of one has a
-- while to deal with it; if it does not, the next is told.
--
-- Arguments: how many at most; the while in ms.
-- Reply: now in µs; when the next thing falls due, ms (-1: nothing is known to); how many scheduled names follow; those
--        names; then a job and its token for each lease that is over.

local most, while_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local names = redis.call('ZRANGE', SCHEDULED, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, most)
local lost = redis.call('ZRANGE', LEASES, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, most)
local reply = {now_us, -1, #names}
for _, name in ipairs(names) do
  redis.call('ZADD', SCHEDULED, now_ms + while_ms, name)
  reply[#reply + 1] = name
end
for _, id in ipairs(lost) do
  local token = token_of(id)
  if token then redis.call('ZADD', LEASES, now_ms + while_ms, id) else redis.call('ZREM', LEASES, id) end
  reply[#reply + 1], reply[#reply + 2] = id, token or ''
end
for _, key in ipairs({SCHEDULED, LEASES}) do
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if #head > 0 and (reply[2] < 0 or tonumber(head[2]) < reply[2]) then reply[2] = tonumber(head[2]) end
end
return reply
