-- Put before every other script of this folder. Names in capitals are keys, from runlane/queue/keys.py, which describes
-- what each holds, and is put before this.

local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)

local function kind_of(token)
  return string.match(token, '^[^|]*')
end

local function read_limits()
  local found, flat = {}, redis.call('HGETALL', LIMITS)
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return found
end

-- How many jobs may be claimed on top of those that are.
local function room_in_all(limits)
  if limits.paused == '1' then return 0 end
  return tonumber(limits.concurrency or 0) - redis.call('HLEN', OWNERS)
end

-- How many more jobs of this kind may be claimed, up to `most`; and if its rate forbids more, in how many ms one may.
local function room_in_kind(limits, kind, most)
  if limits['paused:' .. kind] == '1' then return 0 end
  local at_once = limits['max:' .. kind]
  if at_once then most = math.min(most, at_once - (redis.call('HGET', RUNNING, kind) or 0)) end
  local rate = limits['rate:' .. kind]
  if most < 1 or not rate then return most end
  local count, window_ms = string.match(rate, '^(%d+)/(%d+)$')
  local oldest = redis.call('LINDEX', STARTS .. kind, -1)
  while oldest and tonumber(oldest) <= now_ms - window_ms do
    redis.call('RPOP', STARTS .. kind)
    oldest = redis.call('LINDEX', STARTS .. kind, -1)
  end
  local left = count - redis.call('LLEN', STARTS .. kind)
  if left < 1 then return 0, oldest + window_ms - now_ms end
  return math.min(most, left)
end

-- Wake idle workers if there is something they may claim. Returns in how many ms a rate allows more, or nil.
local function wake_idle(limits, room)
  local wait_ms
  if room < 1 then return end
  for _, kind in ipairs(redis.call('SMEMBERS', KINDS)) do
    if redis.call('ZCARD', QUEUE .. kind) > 0 then
      local free, ms = room_in_kind(limits, kind, 1)
      if free > 0 then
        redis.call('ZADD', WAKE .. kind, 0, '1')
      elseif ms then
        wait_ms = math.min(wait_ms or ms, ms)
      end
    end
  end
  return wait_ms
end

local function token_of(id)
  return redis.call('HGET', OWNERS, id) or redis.call('HGET', ENDING, id)
end

local function unpark(id)
  local parked = redis.call('HGET', PARKED, id)
  if not parked then return end
  local kind, score = string.match(parked, '^([^|]*)|(.*)$')
  redis.call('ZADD', QUEUE .. kind, score, id)
  redis.call('HDEL', PARKED, id)
end

-- Give up claims: ARGV from `first` to `last` holds pairs of job and token. A claim that is another's by now is left.
local function release(first, last)
  if last < first then return end
  local ids, ours, freed, counts = {}, {}, {}, {}
  for i = first, last, 2 do ids[#ids + 1] = ARGV[i] end
  local owners, ending = redis.call('HMGET', OWNERS, unpack(ids)), redis.call('HMGET', ENDING, unpack(ids))
  for i, id in ipairs(ids) do
    local token = ARGV[first + 2 * i - 1]
    if owners[i] == token or ending[i] == token then
      ours[#ours + 1] = id
      if owners[i] == token then freed[#freed + 1] = id end
      counts[kind_of(token)] = (counts[kind_of(token)] or 0) + 1
    end
  end
  if #ours == 0 then return end
  redis.call('ZREM', LEASES, unpack(ours))
  redis.call('HDEL', ENDING, unpack(ours))
  if #freed > 0 then redis.call('HDEL', OWNERS, unpack(freed)) end
  for kind, count in pairs(counts) do redis.call('HINCRBY', RUNNING, kind, -count) end
  if redis.call('HLEN', PARKED) > 0 then
    for _, id in ipairs(ours) do unpark(id) end
  end
end
