import { useMemo, useState } from 'react'
import { NodeLoadDocument, type NodesQuery } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Button } from '@/components/button'
import { Chart } from '@/components/chart'
import { QueryBoundary } from '@/components/states'
import { duration } from '@/format/duration'
import { databaseNow } from '@/lib/clock'
import { bytes, fullMillis, LOAD_SPANS, type LoadPoint, type LoadSpan, percent, slots } from './points'

/** A node measures once a minute. */
const REFRESH = 30_000
const HEIGHT = 76
const MINUTE = 60_000

interface LoadProps {
  node: Pick<NodesQuery['nodes'][number], 'id' | 'name'>
  span: LoadSpan
  /** Shown at once; otherwise on request. */
  open: boolean
}

/** The load of a node: slots, lateness, processor and memory over time. */
export function Load({ node, span, open }: LoadProps) {
  const [asked, setAsked] = useState(false)
  if (!open && !asked) {
    return (
      <Button className="self-start" onClick={() => setAsked(true)}>
        Load
      </Button>
    )
  }
  return <Charts node={node} span={span} />
}

function Charts({ node, span }: Omit<LoadProps, 'open'>) {
  const read = useApi(NodeLoadDocument, { id: node.id, minutes: LOAD_SPANS[span] }, { refetchInterval: REFRESH })
  return (
    <QueryBoundary query={read} what={`the load of ${node.name}`} lines={4}>
      {({ nodeLoad }) =>
        nodeLoad.length < 2 ? (
          // A line has two points.
          <p className="text-muted text-xs">Its load is shown after its first minutes.</p>
        ) : (
          <LoadCharts points={nodeLoad} span={span} />
        )
      }
    </QueryBoundary>
  )
}

function LoadCharts({ points, span }: { points: LoadPoint[]; span: LoadSpan }) {
  const full = fullMillis(points)
  const at = useMemo(() => points.map((point) => Date.parse(point.at)), [points])
  const series = (label: string, colour: string, of: (point: LoadPoint) => number | null) => ({
    label,
    colour: `var(--color-${colour})`,
    shape: 'line' as const,
    values: points.map(of),
  })
  // From the first measurement on, at least ten minutes: a new node has no empty day.
  const to = databaseNow()
  const range = { from: Math.min(Math.max(to - LOAD_SPANS[span] * MINUTE, at[0] ?? to), to - 10 * MINUTE), to }
  const chart = { height: HEIGHT, at, range }
  return (
    <div className="flex flex-col gap-2">
      {full >= 1_000 && (
        <p className="text-sm text-warn">
          No slot was free for {duration(full)} of the last {span === '1 hour' ? 'hour' : span}.
        </p>
      )}
      <Chart
        {...chart}
        label={`Slots in use, last ${span}`}
        format={slots}
        series={[
          series('Slots', 'edge', (point) => point.slots),
          series('in use', 'accent', (point) => point.slotsUsed),
        ]}
      />
      <Chart
        {...chart}
        label={`Lateness, last ${span}`}
        format={duration}
        series={[
          series('Late p99', 'lost', (point) => point.latenessP99Millis),
          series('p50', 'accent', (point) => point.latenessP50Millis),
        ]}
      />
      <Chart
        {...chart}
        label={`Processor, last ${span}`}
        format={percent}
        series={[series('CPU', 'busy', (point) => point.cpu)]}
      />
      <Chart
        {...chart}
        label={`Memory, last ${span}`}
        format={bytes}
        series={[series('Memory', 'good', (point) => point.memoryBytes)]}
      />
    </div>
  )
}
