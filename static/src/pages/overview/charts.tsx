import type { Activity } from '@/api/generated'
import { Chart } from '@/components/chart'
import { duration } from '@/text/duration'
import { count } from '@/text/number'

const HEIGHT = 170

const MINUTE = 60_000

/** The last hour, whatever part of it has been measured; moves with the newest point. */
function lastHour(points: Activity[]) {
  const newest = points[points.length - 1]
  const to = newest ? Date.parse(newest.at) + newest.seconds * 1_000 : Date.now()
  return { from: to - 60 * MINUTE, to }
}

const times = (points: Activity[]) => points.map((point) => Date.parse(point.at))

/** Large areas are calmer than text of the same colour. */
const soft = (name: string) => `color-mix(in oklab, var(--color-${name}) 72%, var(--color-surface))`

/** What was taken, and how what ended then had ended. */
export function FiresChart({ points }: { points: Activity[] }) {
  return (
    <Chart
      label={`Fires in the last hour: ${count(points.reduce((sum, point) => sum + point.fires, 0))}`}
      height={HEIGHT}
      format={count}
      stack
      range={lastHour(points)}
      at={times(points)}
      series={[
        { label: 'Skipped', colour: 'var(--color-edge)', shape: 'bars', values: points.map((point) => point.skipped) },
        { label: 'Failed', colour: soft('bad'), shape: 'bars', values: points.map((point) => point.failed) },
        { label: 'Succeeded', colour: soft('good'), shape: 'bars', values: points.map((point) => point.succeeded) },
        { label: 'Fires', colour: 'var(--color-accent)', shape: 'line', values: points.map((point) => point.fires) },
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
      range={lastHour(points)}
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
