// What an execution's row means, in a person's words. Pure.

export interface Settled {
  status: string
  reason: string | null
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

/** How long the last attempt took, or takes until now, in milliseconds; null while none runs. */
export function runtime({ status, startedAt, finishedAt, durationMillis }: Timed, nowMillis: number): number | null {
  if (durationMillis !== null) return durationMillis
  // Between two attempts the row has the start of the last one and no end of it.
  if (startedAt === null || status === 'RETRYING') return null
  return Math.max(0, (finishedAt === null ? nowMillis : Date.parse(finishedAt)) - Date.parse(startedAt))
}

const OUTCOMES: Record<string, string> = {
  RUNNING: 'It runs now.',
  RETRYING: 'The last attempt failed. The next attempt waits for its time.',
  SUCCESS: 'It ended well.',
  FAILED: 'It failed for good.',
  CANCELLED: 'Somebody cancelled it.',
  LOST: 'Its node died in the middle of it, and the job says not to run it again.',
  SKIPPED: 'It was not run.',
}

/** Why the last attempt failed, while another one follows. */
const RETRIES: Record<string, string> = {
  ERROR: 'The last attempt failed: the target reported an error. The next attempt waits for its time.',
  TIMEOUT: 'The last attempt took longer than the job allows. The next attempt waits for its time.',
}

const REASONS: Record<string, string> = {
  ERROR: 'The target reported an error, and the attempts are used up.',
  TIMEOUT: 'An attempt took longer than the job allows, and the attempts are used up.',
  CRASH_LOOP: 'The nodes that ran it died more often than the job allows.',
  MISFIRE: "It was found later than the job's grace, and the misfire policy says not to run it then.",
  OVERLAP: 'Another execution of the job was in flight, and the overlap policy says not to run beside it.',
  CALENDAR: "The job's calendar or a blackout closes this time; the message below names it.",
  DEADLINE: 'It could not start before its deadline.',
  COALESCED: 'It was folded into another fire time of the job, which stands for it.',
  PAUSED: 'It had passed and no node had taken it when the job was paused, or the job was paused over it.',
  DELETED: 'It had not begun when the job was deleted.',
}

/** Why it stands where it stands. */
export function explanation({ status, reason, occurrences }: Settled): string {
  const reasons = status === 'RETRYING' ? RETRIES : REASONS
  const why = (reason && reasons[reason]) ?? OUTCOMES[status] ?? `Its status is ${status}.`
  return occurrences !== null && occurrences > 1 ? `${why} This row stands for ${occurrences} fire times.` : why
}

/** Whether its fire time can run again: it has ended, and its row stands for one. */
export function isRepeatable({ status, occurrences }: Settled): boolean {
  return !isInFlight(status) && (status !== 'SKIPPED' || occurrences === 1)
}

/** Whether it can still be cancelled. */
export function isInFlight(status: string): boolean {
  return status === 'RUNNING' || status === 'RETRYING'
}
