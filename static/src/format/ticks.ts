// Ticks of a time axis: at round times of the viewer's clock.

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 30, 60, 120, 365].map((days) => days * DAY),
]

/** Ticks between two instants in milliseconds, at most `most`, and the step between them. */
export function ticksOf(from: number, to: number, most: number): { at: number[]; step: number } {
  const step = STEPS.find((one) => (to - from) / one <= most) ?? Math.ceil((to - from) / most / DAY) * DAY
  const at: number[] = []
  // A day may have 23 or 25 hours: its midnights are those of the calendar.
  const next = (index: number) =>
    step < DAY ? alignedTo(from, step) + index * step : midnight(from, index * (step / DAY))
  for (let index = 0; next(index) <= to && at.length <= most; index += 1) if (next(index) >= from) at.push(next(index))
  return { at, step }
}

/** The first instant from `from` on at which the clock shows a multiple of the step. */
function alignedTo(from: number, step: number): number {
  const offset = new Date(from).getTimezoneOffset() * MINUTE
  return Math.ceil((from - offset) / step) * step + offset
}

function midnight(from: number, days: number): number {
  const date = new Date(from)
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days).getTime()
}
