import type { Activity } from '@/api/generated'
import { Chart } from '@/components/chart'
import { duration } from '@/format/duration'
import { count, rate } from '@/format/number'

const HEIGHT = 170

const MINUTE = 60_000

/** The measured part of the last hour, at least ten minutes; moves with the newest point. */
function measured(points: Activity[]) {
  const newest = points[points.length - 1]
  const to = newest ? Date.parse(newest.at) + newest.seconds * 1_000 : Date.now()
  const first = points[0] ? Date.parse(points[0].at) : to
  return { from: Math.max(to - 60 * MINUTE, Math.min(first, to - 10 * MINUTE)), to }
}

const perSecond = (value: number) => `${rate(value)}/s`

const times = (points: Activity[]) => points.map((point) => Date.parse(point.at))

/** Large areas are calmer than text of the same colour. */
const soft = (name: string) => `color-mix(in oklab, var(--color-${name}) 72%, var(--color-surface))`

/** Attempts a second, and their outcomes. */
export function FiresChart({ points }: { points: Activity[] }) {
  const rates = (of: (point: Activity) => number) => points.map((point) => of(point) / point.seconds)
  return (
    <Chart
      label={`Fires in the last hour: ${count(points.reduce((sum, point) => sum + point.fires, 0))}`}
      height={HEIGHT}
      format={perSecond}
      stack
      range={measured(points)}
      at={times(points)}
      series={[
        { label: 'Skipped', colour: 'var(--color-edge)', shape: 'bars', values: rates((point) => point.skipped) },
        { label: 'Failed', colour: soft('bad'), shape: 'bars', values: rates((point) => point.failed) },
        { label: 'Succeeded', colour: soft('good'), shape: 'bars', values: rates((point) => point.succeeded) },
        { label: 'Fires', colour: 'var(--color-accent)', shape: 'line', values: rates((point) => point.fires) },
      ]}
    />
  )
}

/** Lateness of the starts. */
export function LatenessChart({ points }: { points: Activity[] }) {
  return (
    <Chart
      label="Lateness in the last hour, median and 99th percentile"
      height={HEIGHT}
      format={duration}
      range={measured(points)}
      at={times(points)}
      series={[
        {
          label: 'p99',
          colour: 'var(--color-lost)',
          shape: 'line',
          values: points.map((point) => point.latenessP99Millis),
        },
        {
          label: 'p50',
          colour: 'var(--color-accent)',
          shape: 'line',
          values: points.map((point) => point.latenessP50Millis),
        },
      ]}
    />
  )
}
