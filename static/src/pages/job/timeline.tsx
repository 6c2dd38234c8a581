// The last executions over time: due time (a thin line), start to end (a bar in the colour of the outcome), a row for
// each node.

import { Link } from '@tanstack/react-router'
import { clsx } from 'clsx'
import { History } from 'lucide-react'
import { useMemo } from 'react'
import type { ExecutionRowFragment } from '@/api/generated'
import { Empty } from '@/components/states'
import { enumLabel, statusColour } from '@/components/status'
import { Tooltip } from '@/components/tooltip'
import { duration } from '@/format/duration'
import { isInFlight, lateness, runtime } from '@/format/execution'
import { ticksOf } from '@/format/ticks'
import { dayAndTime, exactTime, shortTime, viewerZone } from '@/format/time'
import { useNow } from '@/lib/clock'
import { type Bar, layOut, type NodeRow } from './lanes'
import { type LeftOut, type Stretch, stretchesOf } from './stretches'

const LANE_HEIGHT = 16
const TICKS_MAX = 5

interface TimelineProps extends Omit<LeftOut, 'executions'> {
  /** Newest first, as the API has them. */
  executions: ExecutionRowFragment[]
}

/** The executions, in front of pauses and exclusions. */
export function Timeline({ executions, pauses, blackouts }: TimelineProps) {
  const now = useNow()
  const moving = executions.some((execution) => isInFlight(execution.status))
  // Ended executions move slowly: their layout is renewed every ten seconds, that of running ones every second.
  const step = moving ? 1_000 : 10_000
  const instant = Math.floor(now / step) * step + step
  const lanes = useMemo(() => layOut(executions, instant), [executions, instant])
  if (executions.length === 0) {
    return (
      <Empty icon={History} title="It has not run yet">
        Each execution becomes a bar, from its start to its end.
      </Empty>
    )
  }
  const place = (millis: number) => (millis - lanes.from) / (lanes.to - lanes.from)
  const shades = stretchesOf({ pauses, blackouts, executions }, lanes.from, lanes.to)
  const ticks = ticksOf(lanes.from, lanes.to, TICKS_MAX)
  return (
    <div>
      <div className="relative flex flex-col divide-y border-y">
        <div className="absolute inset-y-0 right-0 left-20 overflow-hidden sm:left-28">
          {shades.map(({ kind, from, until, label }) => (
            <span
              key={`${kind} ${from}`}
              role="img"
              aria-label={label}
              title={label}
              className={clsx('painted absolute inset-y-0 min-w-0.5', SHADES[kind])}
              style={{ left: percent(place(from)), width: percent(place(until) - place(from)) }}
            />
          ))}
        </div>
        {lanes.rows.map((row) => (
          <Row key={row.node} row={row} />
        ))}
      </div>
      <div className="relative ml-20 h-5 text-2xs text-muted sm:ml-28" aria-hidden>
        {ticks.at.map((millis, index) => (
          <span
            key={millis}
            className={clsx('absolute top-1 whitespace-nowrap', index % 2 === 1 && 'hidden sm:block')}
            style={{ left: percent(place(millis)), transform: `translateX(${percent(-place(millis))})` }}
          >
            {tickLabel(millis, ticks.step, now)}
          </span>
        ))}
      </div>
      <Legend executions={executions} shades={new Set(shades.map(({ kind }) => kind))} />
    </div>
  )
}

/** An exclusion is hatched, since colour must not be the only sign. */
const SHADES: Record<Stretch['kind'], string> = {
  paused: 'bg-warn/15',
  closed: 'hatched text-lost/40',
}

/** "18 Nov", "18 Nov, 12:00", "12:58", "12:58:30": as exact as the step requires, with the day unless it is today. */
function tickLabel(millis: number, step: number, now: number): string {
  const at = new Date(millis).toISOString()
  if (step >= 86_400_000) return dayAndTime(at, viewerZone).replace(/, .*/, '')
  const words = shortTime(at, viewerZone, now)
  return step < 60_000 ? words : words.replace(/^(\d\d:\d\d):00$/, '$1')
}

function Row({ row }: { row: NodeRow }) {
  return (
    <div className="flex items-stretch">
      <span className="w-20 shrink-0 truncate py-1.5 pr-2 text-muted text-xs sm:w-28" title={row.node}>
        {row.node}
      </span>
      <div className="relative my-1.5 min-w-0 flex-1 overflow-hidden" style={{ height: row.lanes * LANE_HEIGHT }}>
        {row.bars.map((bar) => (
          <Mark key={bar.execution.id} bar={bar} />
        ))}
      </div>
    </div>
  )
}

const percent = (part: number) => `${part * 100}%`

function Mark({ bar }: { bar: Bar }) {
  const { execution, due, start, end, lane } = bar
  const colour = statusColour(execution.status)
  return (
    <>
      <span
        className="painted absolute h-0.5 bg-faint"
        style={{ left: percent(due), width: percent(start - due), top: lane * LANE_HEIGHT + 6 }}
        aria-hidden
      />
      <Tooltip content={<ExecutionHint execution={execution} />}>
        <Link
          to="/executions/$executionId"
          params={{ executionId: execution.id }}
          aria-label={`${enumLabel(execution.status)}, ${exactTime(execution.fireTime, viewerZone)}`}
          className="painted absolute h-3 min-w-1 rounded-xs opacity-85 hover:opacity-100"
          style={{
            left: `min(${percent(start)}, calc(100% - 4px))`,
            width: percent(end - start),
            top: lane * LANE_HEIGHT + 1,
            background: colour,
          }}
        />
      </Tooltip>
    </>
  )
}

function ExecutionHint({ execution }: { execution: ExecutionRowFragment }) {
  const now = useNow()
  const late = lateness(execution)
  const took = runtime(execution, now)
  return (
    <>
      <p className="font-medium">
        {enumLabel(execution.status)}
        {execution.reason && ` · ${enumLabel(execution.reason)}`}
      </p>
      <p>{exactTime(execution.fireTime, viewerZone)}</p>
      <p className="text-muted">
        {late !== null && `${duration(late)} late`}
        {took !== null && `, took ${duration(took)}`}
        {execution.attempt > 1 && `, attempt ${execution.attempt}`}
      </p>
    </>
  )
}

function Legend({ executions, shades }: { executions: ExecutionRowFragment[]; shades: Set<Stretch['kind']> }) {
  const statuses = [...new Set(executions.map((execution) => execution.status))]
  return (
    <p className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-muted text-xs">
      {statuses.map((status) => (
        <span key={status} className="flex items-center gap-1.5">
          <span
            className="painted h-2.5 w-2.5 rounded-xs opacity-85"
            style={{ background: statusColour(status) }}
            aria-hidden
          />
          {enumLabel(status)}
        </span>
      ))}
      <span className="flex items-center gap-1.5">
        <span className="painted h-0.5 w-4 bg-faint" aria-hidden />
        due, not started
      </span>
      {[...shades].map((kind) => (
        <span key={kind} className="flex items-center gap-1.5">
          <span className={clsx('painted h-2.5 w-4', SHADES[kind])} aria-hidden />
          {kind}
        </span>
      ))}
    </p>
  )
}
