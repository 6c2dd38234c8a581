import type { ExecutionRowFragment } from '@/api/generated'
import { Chart } from '@/components/chart'
import { duration } from '@/format/duration'
import { lateness } from '@/format/execution'

const HEIGHT = 150

interface ChartProps {
  /** Newest first, as the API has them. */
  executions: ExecutionRowFragment[]
}

/** Duration of each execution, by outcome. */
export function DurationChart({ executions }: ChartProps) {
  const ran = executions.filter((one) => one.durationMillis !== null).toReversed()
  const of = (ended: (status: string) => boolean) => ran.map((one) => (ended(one.status) ? one.durationMillis : null))
  return (
    <Chart
      label="Duration of the last executions"
      height={HEIGHT}
      format={duration}
      at={ran.map((one) => Date.parse(one.fireTime))}
      series={[
        { label: 'Success', colour: 'var(--color-good)', shape: 'dots', values: of((status) => status === 'SUCCESS') },
        { label: 'Other', colour: 'var(--color-bad)', shape: 'dots', values: of((status) => status !== 'SUCCESS') },
      ]}
    />
  )
}

/** Lateness of each start. */
export function LatenessChart({ executions }: ChartProps) {
  const started = executions.filter((one) => one.startedAt !== null).toReversed()
  return (
    <Chart
      label="Lateness of the last executions"
      height={HEIGHT}
      format={duration}
      at={started.map((one) => Date.parse(one.fireTime))}
      series={[{ label: 'Late', colour: 'var(--color-accent)', shape: 'dots', values: started.map(lateness) }]}
    />
  )
}
