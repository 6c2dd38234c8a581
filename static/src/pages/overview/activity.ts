// The present rates, from the activity of the last hour.

import type { Activity } from '@/api/generated'

/** Period of the present rates, in seconds. */
const NOW_SECONDS = 60

/** Fires per second: the newest point is not complete, so its length is counted to `now`. */
export function firesPerSecond(points: Activity[], nowMillis: number): number {
  const lately = newest(points, nowMillis)
  const first = lately[0]
  if (!first) return 0
  const fires = lately.reduce((sum, point) => sum + point.fires, 0)
  const last = lately[lately.length - 1] ?? first
  const end = Math.min(nowMillis, Date.parse(last.at) + last.seconds * 1_000)
  const seconds = (end - Date.parse(first.at)) / 1_000
  return seconds > 0 ? fires / seconds : 0
}

/** The newest measured lateness, in milliseconds. */
export function latenessNow(points: Activity[]): { p50: number; p99: number } | null {
  const point = points.findLast((one) => one.latenessP99Millis !== null)
  if (!point || point.latenessP50Millis === null || point.latenessP99Millis === null) return null
  return { p50: point.latenessP50Millis, p99: point.latenessP99Millis }
}

function newest(points: Activity[], nowMillis: number): Activity[] {
  const from = nowMillis - NOW_SECONDS * 1_000
  return points.filter(
    (point) => Date.parse(point.at) + point.seconds * 1_000 > from && Date.parse(point.at) <= nowMillis,
  )
}
