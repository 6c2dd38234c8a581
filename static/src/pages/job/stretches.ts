// The periods of the timeline without starts by schedule. Pure.

import type { BlackoutRowFragment, ExecutionRowFragment } from '@/api/generated'
import { counted } from '@/format/number'
import { exactTime, viewerZone } from '@/format/time'
import type { Pause } from './pauses'

export interface Stretch {
  kind: 'paused' | 'closed'
  /** In milliseconds, both on the axis. */
  from: number
  until: number
  /** Text of the hint. */
  label: string
}

export interface LeftOut {
  pauses: Pause[]
  /** Those of this job. */
  blackouts: Pick<BlackoutRowFragment, 'reason' | 'startsAt' | 'endsAt'>[]
  executions: Pick<ExecutionRowFragment, 'status' | 'reason' | 'fireTime' | 'throughFireTime' | 'occurrences'>[]
}

/**
 * The periods between `from` and `to`. Exclusions by a calendar are taken from the recorded fire times, whatever its
 * rules are now; likewise those of a blackout that is not listed any more.
 */
export function stretchesOf({ pauses, blackouts, executions }: LeftOut, from: number, to: number): Stretch[] {
  const paused = pauses.map((pause) =>
    stretch('paused', 'Paused', pause.from, pause.until ?? new Date(to).toISOString()),
  )
  const blackedOut = blackouts.map(({ reason, startsAt, endsAt }) =>
    stretch('closed', 'Blackout', startsAt, endsAt, `: ${reason}`),
  )
  const recorded = executions
    .filter(({ status, reason }) => status === 'SKIPPED' && reason === 'CALENDAR')
    .map(({ fireTime, throughFireTime, occurrences }) => {
      const left = `: ${counted(occurrences ?? 1, 'fire time')} left out`
      return stretch('closed', 'Closed', fireTime, throughFireTime ?? fireTime, left)
    })
    .filter(({ from, until }) => !blackedOut.some((other) => other.from <= from && until <= other.until))
  return [...paused, ...blackedOut, ...recorded]
    .filter((one) => one.until >= from && one.from <= to)
    .map((one) => ({ ...one, from: Math.max(from, one.from), until: Math.min(to, one.until) }))
}

function stretch(kind: Stretch['kind'], word: string, from: string, until: string, why = ''): Stretch {
  const label = `${word} from ${exactTime(from, viewerZone)} to ${exactTime(until, viewerZone)}${why}`
  return { kind, from: Date.parse(from), until: Date.parse(until), label }
}
