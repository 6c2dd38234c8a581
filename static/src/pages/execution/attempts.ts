// All attempts of an execution: earlier ones from the JSON of the API, the current one from the row itself. Pure.

import type { ExecutionQuery } from '@/api/generated'

type Execution = NonNullable<ExecutionQuery['execution']>

export interface AttemptLine {
  attempt: number
  nodeId: string | null
  startedAt: string | null
  endedAt: string | null
  /** SUCCESS, FAILED, LOST, NOT_STARTED, RUNNING, … */
  outcome: string
  reason: string | null
  error: string | null
}

/** Attempts from the first to the last; none for a skipped fire time. */
export function attemptsOf(execution: Execution): AttemptLine[] {
  const earlier = (Array.isArray(execution.previousAttempts) ? execution.previousAttempts : []).map(readAttempt)
  if (execution.attempt === 0) return earlier
  // Before a retry the attempt of the row is the failed one, which is among the earlier attempts.
  if (earlier.some(({ attempt }) => attempt === execution.attempt)) return earlier
  return [
    ...earlier,
    {
      attempt: execution.attempt,
      nodeId: execution.nodeId,
      startedAt: execution.startedAt,
      endedAt: execution.finishedAt,
      outcome: execution.status,
      reason: execution.reason,
      error: execution.errorMessage,
    },
  ]
}

function readAttempt(value: unknown): AttemptLine {
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : null)
  return {
    attempt: typeof fields.attempt === 'number' ? fields.attempt : 0,
    nodeId: text('nodeId'),
    startedAt: text('startedAt'),
    endedAt: text('endedAt'),
    outcome: text('outcome') ?? 'UNKNOWN',
    reason: text('reason'),
    error: text('error'),
  }
}
