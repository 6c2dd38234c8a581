import { Link } from '@tanstack/react-router'
import { clsx } from 'clsx'
import type { ReactNode } from 'react'
import type { Activity, OverviewPartsFragment } from '@/api/generated'
import { isFull } from '@/cluster/overview'
import { duration } from '@/format/duration'
import { count, counted, rate } from '@/format/number'
import { useNow } from '@/lib/clock'
import { firesPerSecond, latenessNow } from './activity'

/** The present figures of the cluster. */
export function Tiles({ overview, activity }: { overview: OverviewPartsFragment; activity: Activity[] }) {
  const now = useNow()
  const { cluster, failuresLastHour, failingJobs, dueNow } = overview
  const lateness = latenessNow(activity)
  const full = isFull(cluster)
  return (
    <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border bg-line sm:grid-cols-3 xl:grid-cols-6">
      <Tile
        label="Nodes alive"
        bad={cluster.activeNodes === 0}
        note={cluster.drainingNodes > 0 && `${cluster.drainingNodes} draining`}
      >
        <Link to="/nodes" className="hover:underline">
          {cluster.activeNodes}
        </Link>
      </Tile>
      <Tile label="Fires per second" note="last minute">
        {rate(firesPerSecond(activity, now))}
      </Tile>
      <Tile label="Lateness" note={lateness && `p99 ${duration(lateness.p99)}`}>
        {lateness ? duration(lateness.p50) : '–'}
      </Tile>
      <Tile
        label="Running now"
        bad={full}
        note={full ? `all ${count(cluster.slots)} slots` : `of ${count(cluster.slots)} slots`}
      >
        <Link to="/executions" search={{ status: ['RUNNING'] }} className="hover:underline">
          {count(cluster.executionsRunning)}
        </Link>
      </Tile>
      <Tile label="Due and waiting" note={dueNow >= 10_000 && 'or more'}>
        <Link to="/jobs" search={{ order: 'NEXT_FIRE_TIME' }} className="hover:underline">
          {count(dueNow)}
        </Link>
      </Tile>
      <Tile
        label="Failing jobs"
        bad={failingJobs > 0}
        note={failuresLastHour > 0 && <Failures count={failuresLastHour} />}
      >
        <Link to="/jobs" search={{ state: ['FAILING'] }} className="hover:underline">
          {count(failingJobs)}
        </Link>
      </Tile>
    </dl>
  )
}

/** By time of their end; the list is in the order of fire times, so its range starts no later. */
function Failures({ count }: { count: number }) {
  return (
    <Link to="/executions" search={{ status: ['FAILED'] }} className="hover:underline">
      {counted(count, 'failure')} in the last hour
    </Link>
  )
}

interface TileProps {
  label: string
  note?: ReactNode
  bad?: boolean
  children: ReactNode
}

function Tile({ label, note, bad, children }: TileProps) {
  return (
    <div className="flex min-h-22 flex-col bg-surface px-4 py-3">
      <dt className="text-muted text-xs">{label}</dt>
      <dd className={clsx('font-semibold text-2xl tracking-tight', bad && 'text-bad')}>{children}</dd>
      {note && <dd className="text-muted text-xs">{note}</dd>}
    </div>
  )
}
