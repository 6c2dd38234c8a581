import type { Activity } from '@/api/generated'
import { Chart } from '@/components/chart'
import { duration } from '@/text/duration'
import { count } from '@/text/number'

const HEIGHT = 170

const times = (points: Activity[]) => points.map((point) => Date.parse(point.at))

/** Large areas are calmer than text of the same colour. */
const soft = (name: string) => `color-mix(in oklab, var(--color-${name}) 72%, var(--color-surface))`

/** What fired, by how it ended. */
export function FiresChart({ points }: { points: Activity[] }) {
  const rest = (point: Activity) => Math.max(0, point.fires - point.succeeded - point.failed - point.skipped)
  return (
    <Chart
      label={`Fires in the last hour: ${count(points.reduce((sum, point) => sum + point.fires, 0))}`}
      height={HEIGHT}
      format={count}
      stack
      at={times(points)}
      series={[
        { label: 'Running', colour: soft('busy'), shape: 'bars', values: points.map(rest) },
        { label: 'Skipped', colour: 'var(--color-edge)', shape: 'bars', values: points.map((point) => point.skipped) },
        { label: 'Failed', colour: soft('bad'), shape: 'bars', values: points.map((point) => point.failed) },
        {
          label: 'Succeeded',
          colour: soft('good'),
          shape: 'bars',
          values: points.map((point) => point.succeeded),
        },
      ]}
    />
  )
}

/** How late what fired began. */
export function LatenessChart({ points }: { points: Activity[] }) {
  return (
    <Chart
      label="Lateness in the last hour, median and 99th percentile"
      height={HEIGHT}
      format={duration}
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
