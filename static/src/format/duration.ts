// Durations in words.

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const

/** "850 ms", "2.4 s", "3 min 5 s", "2 h 10 min": at most two units. */
export function duration(millis: number): string {
  if (millis < 0) return `-${duration(-millis)}`
  if (millis < 10) return `${trimmed(millis, millis < 1 ? 2 : 1)} ms`
  if (millis < 1_000) return `${Math.round(millis)} ms`
  if (millis < 60_000) return `${trimmed(millis / 1_000, millis < 10_000 ? 2 : 1)} s`
  return inUnits(Math.round(millis / 1_000))
}

/** "1 min 30 s" for 90: whole seconds, exact, at most two units. */
export function inUnits(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  const parts: string[] = []
  let rest = seconds
  for (const [name, size] of UNITS) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${name}`)
    if (parts.length === 2) break
  }
  return parts.join(' ')
}

function trimmed(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)))
}
