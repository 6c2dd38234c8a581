// Usual ranges of time up to now.

export interface Preset {
  label: string
  /** Start of the range. */
  from: (now: Date) => Date
}

const HOUR = 3_600_000
const hoursBefore = (hours: number) => (now: Date) => new Date(now.getTime() - hours * HOUR)

/** By the viewer's clock: a day starts at midnight. */
export const PRESETS: Preset[] = [
  { label: 'Last hour', from: hoursBefore(1) },
  { label: 'Last 24 hours', from: hoursBefore(24) },
  { label: 'Since yesterday 18:00', from: (now) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1, 18) },
  { label: 'Since yesterday', from: (now) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1) },
  { label: 'Last 7 days', from: hoursBefore(168) },
]
