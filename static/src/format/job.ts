// The state of a job in words. Pure.

import type { JobExclusion, JobState, JobStatus } from '@/api/generated'

/** The badges of a job: its state, after PAUSED where the state hides the pause. */
export function badgesOf({ status, state }: { status: JobStatus; state: JobState }): string[] {
  return status === 'PAUSED' && state !== 'PAUSED' ? ['PAUSED', state] : [state]
}

/** Whether the exclusion is in force: a blackout may be in the future. */
export function isExcludedNow({ from }: Pick<JobExclusion, 'from'>, nowMillis: number): boolean {
  return from === null || Date.parse(from) <= nowMillis
}

/** What happens to the fire times of an exclusion. */
export function afterExclusion({ onEnd }: Pick<JobExclusion, 'onEnd'>): string {
  if (onEnd === 'COLLAPSE') return 'One of its fire times until then runs at the end.'
  if (onEnd === 'RUN_ALL') return 'All of its fire times until then run at the end.'
  return 'Its fire times until then are skipped.'
}
