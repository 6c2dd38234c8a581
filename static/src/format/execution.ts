// The meaning of an execution's row, in words. Pure.

import type { ExecutionReason, ExecutionStatus } from '@/api/generated'

export interface Settled {
  status: string
  reason: ExecutionReason | null
  occurrences: number | null
}

export interface Timed {
  status: string
  dueTime: string
  startedAt: string | null
  finishedAt: string | null
  durationMillis: number | null
}

/** Actual start − due time of the last attempt, in milliseconds; null when it has not started. */
export function lateness({ dueTime, startedAt }: Timed): number | null {
  return startedAt === null ? null : Date.parse(startedAt) - Date.parse(dueTime)
}

/** Duration of the last attempt, until now for a running one, in milliseconds; null without a start. */
export function runtime({ status, startedAt, finishedAt, durationMillis }: Timed, nowMillis: number): number | null {
  if (durationMillis !== null) return durationMillis
  // Between two attempts the row has the start of the last one, and no end.
  if (startedAt === null || status === 'RETRYING') return null
  return Math.max(0, (finishedAt === null ? nowMillis : Date.parse(finishedAt)) - Date.parse(startedAt))
}

const OUTCOMES: Record<ExecutionStatus, string> = {
  RUNNING: 'It runs now.',
  RETRYING: 'The last attempt failed. The next attempt is scheduled.',
  SUCCESS: 'It succeeded.',
  FAILED: 'It failed for good.',
  CANCELLED: 'A user cancelled it.',
  LOST: 'Its node died during the attempt, and the job does not allow a recovery.',
  SKIPPED: 'It did not run.',
}

/** Why the last attempt failed, before a further one. */
const RETRIES: Partial<Record<ExecutionReason, string>> = {
  ERROR: 'The last attempt failed: the target reported an error. The next attempt is scheduled.',
  TIMEOUT: 'The last attempt exceeded the time-out of the job. The next attempt is scheduled.',
}

const REASONS: Record<ExecutionReason, string> = {
  ERROR: 'The target reported an error, and the attempts are used up.',
  TIMEOUT: 'An attempt exceeded the time-out of the job, and the attempts are used up.',
  CRASH_LOOP: 'The nodes that ran it died more often than the job allows.',
  MISFIRE: 'It was found after the grace of the job, and the misfire policy skips it.',
  OVERLAP: 'Another execution of the job was in flight, and the overlap policy skips it.',
  CALENDAR: "The job's calendar or a blackout excludes this time; the message below names it.",
  COALESCED: 'It was folded into another fire time of the job, which ran in its place.',
  PAUSED: 'It passed before or during a pause of the job, and no node had taken it.',
  DELETED: 'It had not started when the job was deleted.',
}

/** Why the execution is in this state. */
export function explanation({ status, reason, occurrences }: Settled): string {
  const reasons = status === 'RETRYING' ? RETRIES : REASONS
  // A newer node may have a status that this page does not know.
  const outcome = OUTCOMES[status as ExecutionStatus] ?? `Its status is ${status}.`
  const why = (reason && reasons[reason]) ?? outcome
  return occurrences !== null && occurrences > 1 ? `${why} This row stands for ${occurrences} fire times.` : why
}

/** Whether its fire time can run again: the execution has ended, and its row stands for one fire time. */
export function isRepeatable({ status, occurrences }: Settled): boolean {
  return !isInFlight(status) && (status !== 'SKIPPED' || occurrences === 1)
}

/** Whether it can still be cancelled. */
export function isInFlight(status: string): boolean {
  return status === 'RUNNING' || status === 'RETRYING'
}
