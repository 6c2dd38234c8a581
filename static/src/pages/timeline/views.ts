// The views of the page: a period up to now, the same for all jobs, or the last runs of each job, at any time.

import type { TimelineView } from '@/filters/enums'

/** A period, and its cells in the API. */
export interface Span {
  minutes: number
  cells: number
  /** Time between two reads, in milliseconds. */
  refresh: number
}

export const SPANS: Record<Exclude<TimelineView, 'runs'>, Span> = {
  '24h': { minutes: 1_440, cells: 48, refresh: 30_000 },
  '6h': { minutes: 360, cells: 36, refresh: 15_000 },
  '1h': { minutes: 60, cells: 60, refresh: 10_000 },
}

export const LABELS: Record<TimelineView, string> = {
  '24h': '24 hours',
  '6h': '6 hours',
  '1h': '1 hour',
  runs: 'Last runs',
}

/** Columns of the last runs, as in `LastRunsPage`. */
export const RUNS = 25

/** Jobs of one request. */
export const PAGE_SIZE = 40

/** A period on the time axis, in milliseconds. */
export interface Axis {
  from: number
  to: number
  /** Length of a cell. */
  cell: number
}

/** The place of the axis: as on the server, its end is the first multiple of a cell's length after now. */
export function axisOf({ minutes, cells }: Span, nowMillis: number): Axis {
  const cell = (minutes * 60_000) / cells
  const to = (Math.floor(nowMillis / cell) + 1) * cell
  return { from: to - cells * cell, to, cell }
}
