-- Give up the claims of jobs that have ended and claim the next jobs, in one step: by priority, then due time, then
-- arrival, within the limits.
--
-- Arguments: worker; number of its first new claim; lease in ms; how many jobs it wants; how many kinds it runs; those
--            kinds; then a job and its token for each ended one.
-- Reply: now in µs; 1 if Redis was emptied, else 0; how many more may be claimed; in how many ms a rate allows more
--        (-1: none forbids); how many run at most; then for each claimed job: id, token, body (or false).

local worker, first_number, lease_ms, wanted = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kind_count = tonumber(ARGV[5])

release(6 + kind_count)

local limits = read_limits()
if not limits.concurrency then return {now_us, 1, 0, -1, 0} end
local room = room_in_all(limits)
local reply = {now_us, 0, 0, -1, tonumber(limits.concurrency)}

-- the candidates of each kind, as many as could be taken of it
local lists = {}
local most = math.min(wanted, room)
if most > 0 then
  for k = 6, 5 + kind_count do
    local kind = ARGV[k]
    local free = redis.call('EXISTS', QUEUE .. kind) == 1 and room_in_kind(limits, kind, most) or 0
    local found = free > 0 and redis.call('ZRANGE', QUEUE .. kind, 0, free - 1, 'WITHSCORES') or {}
    local candidates = {}
    for i = 1, #found, 2 do candidates[#candidates + 1] = found[i] end
    local owners = #candidates > 0 and redis.call('HMGET', OWNERS, unpack(candidates)) or {}
    local list = {kind = kind, at = 1, taken = {}}
    for i, id in ipairs(candidates) do
      if owners[i] then
        redis.call('HSET', PARKED, id, kind .. '|' .. found[2 * i])
        redis.call('ZREM', QUEUE .. kind, id)
      else
        list[#list + 1] = {id = id, score = tonumber(found[2 * i])}
      end
    end
    if #list > 0 then lists[#lists + 1] = list end
  end
end

local ids, leases, owners, bodies, tokens = {}, {}, {}, {}, {}
while #ids < most do
  local best
  for _, list in ipairs(lists) do
    local head = list[list.at]
    if head and (not best or head.score < best[best.at].score
        or (head.score == best[best.at].score and head.id < best[best.at].id)) then
      best = list
    end
  end
  if not best then break end
  local id = best[best.at].id
  local token = best.kind .. '|' .. worker .. '|' .. (first_number + #ids)
  best.at = best.at + 1
  best.taken[#best.taken + 1] = id
  ids[#ids + 1], tokens[#tokens + 1], bodies[#bodies + 1] = id, token, BODY .. id
  leases[#leases + 1], leases[#leases + 2] = now_ms + lease_ms, id
  owners[#owners + 1], owners[#owners + 2] = id, token
end

if #ids > 0 then
  redis.call('ZADD', LEASES, unpack(leases))
  redis.call('HSET', OWNERS, unpack(owners))
  for _, list in ipairs(lists) do
    local taken = #list.taken
    if taken > 0 then
      redis.call('ZREM', QUEUE .. list.kind, unpack(list.taken))
      redis.call('HINCRBY', RUNNING, list.kind, taken)
      if limits['rate:' .. list.kind] then
        for _ = 1, taken do redis.call('LPUSH', STARTS .. list.kind, now_ms) end
      end
    end
  end
  local found = redis.call('MGET', unpack(bodies))
  redis.call('UNLINK', unpack(bodies))
  for i, id in ipairs(ids) do
    reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = id, tokens[i], found[i]
  end
end

reply[3] = room - #ids
reply[4] = wake_idle(limits, room - #ids) or -1
return reply
