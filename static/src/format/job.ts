// How a job stands, in a person's words. Pure.

import type { JobClosure, JobState, JobStatus } from '@/api/generated'

/** The badges of a job: its state, and before it that it is paused where the state does not say so. */
export function badgesOf({ status, state }: { status: JobStatus; state: JobState }): string[] {
  return status === 'PAUSED' && state !== 'PAUSED' ? ['PAUSED', state] : [state]
}

/** Whether the closure is in force: a blackout may be ahead. */
export function isClosedNow({ from }: Pick<JobClosure, 'from'>, nowMillis: number): boolean {
  return from === null || Date.parse(from) <= nowMillis
}

/** What becomes of the fire times that a closure takes. */
export function afterClosure({ afterwards }: Pick<JobClosure, 'afterwards'>): string {
  if (afterwards === 'COLLAPSE') return 'Of its fire times until then one runs at the end.'
  if (afterwards === 'RUN_ALL') return 'All of its fire times until then run at the end.'
  return 'Its fire times until then are skipped.'
}
