// Instants in words: relative to now, and exact in a zone.

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' })

/** The viewer's zone. */
export const viewerZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

/** "in 3 min.", "2 hr. ago", "now": one unit, rounded towards now. */
export function relativeTime(instant: string, nowMillis: number): string {
  const millis = Date.parse(instant) - nowMillis
  const size = Math.abs(millis)
  if (Number.isNaN(millis)) return instant
  if (size < 1_000) return 'now'
  if (size < MINUTE) return relative.format(Math.trunc(millis / 1_000), 'second')
  if (size < HOUR) return relative.format(Math.trunc(millis / MINUTE), 'minute')
  if (size < 2 * DAY) return relative.format(Math.trunc(millis / HOUR), 'hour')
  return relative.format(Math.trunc(millis / DAY), 'day')
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** "Mon 23 Nov 2026, 08:15:00 CET" in an IANA zone. A zone that this browser does not know is shown in UTC. */
export function exactTime(instant: string, zone: string): string {
  const millis = Date.parse(instant)
  return Number.isNaN(millis) ? instant : format(zone, 'exact').format(millis)
}

/** "08:15:00" today, else "23 Nov, 08:15": short enough for a table. */
export function shortTime(instant: string, zone: string, nowMillis: number): string {
  const millis = Date.parse(instant)
  if (Number.isNaN(millis)) return instant
  const sameDay = format(zone, 'day').format(millis) === format(zone, 'day').format(nowMillis)
  return format(zone, sameDay ? 'time' : 'date').format(millis)
}

/** "08:15:00" in a zone. */
export function clockTime(instant: string, zone: string): string {
  const millis = Date.parse(instant)
  return Number.isNaN(millis) ? instant : format(zone, 'time').format(millis)
}

/** "23 Nov, 08:15" in a zone. */
export function dayAndTime(instant: string, zone: string): string {
  const millis = Date.parse(instant)
  return Number.isNaN(millis) ? instant : format(zone, 'date').format(millis)
}

/** "08:15 New York": an instant on another clock, with the day where that is another one there. */
export function onTheirClock(instant: string, zone: string): string {
  const [theirDay, theirTime] = dayAndTime(instant, zone).split(', ')
  const [ourDay] = dayAndTime(instant, viewerZone).split(', ')
  return `${theirDay === ourDay ? '' : `${theirDay}, `}${theirTime ?? ''} ${cityOf(zone)}`
}

/** Whether clocks in a zone show the same as the viewer's clock at that instant. */
export function sameClock(instant: string, zone: string): boolean {
  const millis = Date.parse(instant)
  return (
    zone === viewerZone ||
    Number.isNaN(millis) ||
    format(zone, 'date').format(millis) === format(viewerZone, 'date').format(millis)
  )
}

/** "New York" of "America/New_York". */
export function cityOf(zone: string): string {
  return (zone.split('/').pop() ?? zone).replaceAll('_', ' ')
}

type Shape = 'exact' | 'date' | 'day' | 'time'

const SHAPES: Record<Shape, Intl.DateTimeFormatOptions> = {
  exact: {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  },
  date: { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' },
  day: { day: 'numeric', month: 'short', year: 'numeric' },
  time: { hour: '2-digit', minute: '2-digit', second: '2-digit' },
}

function format(zone: string, shape: Shape): Intl.DateTimeFormat {
  const key = `${shape} ${zone}`
  let made = formats.get(key)
  if (!made) {
    const options = { ...SHAPES[shape], hourCycle: 'h23' } as const
    try {
      made = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone })
    } catch {
      made = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' })
    }
    formats.set(key, made)
  }
  return made
}

/** An instant on the viewer's wall clock for a native field: "2026-11-24T10:00:00"; undefined for another text. */
export function toLocalInput(instant: string): string {
  const date = new Date(instant)
  if (Number.isNaN(date.getTime())) return ''
  return new Date(date.getTime() - date.getTimezoneOffset() * MINUTE).toISOString().slice(0, 19)
}

const WALL_CLOCK = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?$/

/**
 * Reads an instant that the user typed: "2026-11-24 10:00" on the viewer's wall clock, or a timestamp with a zone, such
 * as one from a log; undefined for another text.
 */
export function fromLocalInput(value: string): string | undefined {
  const text = value.trim()
  const wall = WALL_CLOCK.exec(text)
  if (!wall) return /\d(Z|[+-]\d{2}:?\d{2})$/i.test(text) ? isoOf(new Date(text)) : undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = wall
    .slice(1)
    .map((part) => Number(part ?? 0))
  const date = new Date(year, month - 1, day, hour, minute, second)
  // The 31st of February would become the 3rd of March.
  const exists = date.getMonth() === month - 1 && date.getDate() === day && hour < 24 && minute < 60 && second < 60
  return exists ? isoOf(date) : undefined
}

/** Why a text is no time; undefined for a time and for an empty text. */
export function timeFault(value: string): string | undefined {
  return value.trim() === '' || fromLocalInput(value) ? undefined : 'Write a time as 2026-11-24 10:00'
}

function isoOf(date: Date): string | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}
