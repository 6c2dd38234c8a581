// The blackouts in a job's row. Pure.

import type { BlackoutRowFragment } from '@/api/generated'
import { blackoutsOf } from '@/blackouts/concerning'
import { exactTime, viewerZone } from '@/format/time'
import type { Axis } from './views'

/** A period without starts by schedule, both ends from 0 to 1. */
export interface Closed {
  from: number
  to: number
  label: string
}

type Blackout = Pick<BlackoutRowFragment, 'jobId' | 'tag' | 'startsAt' | 'endsAt' | 'reason'>

/** The blackouts of a job on the axis. */
export function closedOn(job: { id: string; tags: string[] }, blackouts: Blackout[], axis: Axis): Closed[] {
  const place = (instant: string) => (Date.parse(instant) - axis.from) / (axis.to - axis.from)
  return blackoutsOf(job, blackouts)
    .map(({ startsAt, endsAt, reason }) => ({
      from: Math.max(0, place(startsAt)),
      to: Math.min(1, place(endsAt)),
      label: `Blackout from ${exactTime(startsAt, viewerZone)} to ${exactTime(endsAt, viewerZone)}: ${reason}`,
    }))
    .filter(({ from, to }) => to > from)
}
