import { clsx } from 'clsx'
import type { ExecutionQuery } from '@/api/generated'
import { enumLabel, statusColour } from '@/components/status'
import { Time } from '@/components/time'
import { duration } from '@/format/duration'
import { isInFlight, lateness, runtime } from '@/format/execution'
import { useNow } from '@/lib/clock'
import { type AttemptLine, attemptsOf } from './attempts'

interface StepsProps {
  execution: NonNullable<ExecutionQuery['execution']>
}

interface Step {
  name: string
  at: string | null
  /** The time until the next step, in words. */
  length: string | null
}

function stepsOf(execution: StepsProps['execution'], nowMillis: number): Step[] {
  const { fireTime, dueTime, startedAt, finishedAt, status, attempt, nextAttemptAt, kind } = execution
  const spread = Date.parse(dueTime) - Date.parse(fireTime)
  const asked = kind === 'RERUN' || kind === 'BACKFILL' ? 'until the request' : 'of jitter or waiting'
  const waited = attempt > 1 ? 'until its last attempt was due' : asked
  const late = lateness(execution)
  const took = runtime(execution, nowMillis)
  const steps: Step[] = []
  const failed = status === 'RETRYING' ? attemptsOf(execution).at(-1) : undefined
  if (spread > 0) steps.push({ name: 'Fire time', at: fireTime, length: `${duration(spread)} ${waited}` })
  steps.push({ name: 'Due', at: dueTime, length: late === null ? null : `${duration(late)} late` })
  if (startedAt) {
    const name = attempt > 1 ? `Attempt ${attempt} started` : 'Started'
    steps.push({ name, at: startedAt, length: took === null ? lengthOf(failed) : duration(took) })
  }
  // The end of the row is the settlement; the end of an attempt is among the attempts.
  if (failed?.endedAt) steps.push({ name: `Attempt ${failed.attempt} failed`, at: failed.endedAt, length: null })
  if (nextAttemptAt) {
    const ahead = Date.parse(nextAttemptAt) - nowMillis
    const length = ahead > 0 ? `in ${duration(ahead)}` : null
    steps.push({ name: `Attempt ${attempt + 1} due`, at: nextAttemptAt, length })
  }
  if (finishedAt || isInFlight(status)) steps.push({ name: enumLabel(status), at: finishedAt, length: null })
  return steps
}

function lengthOf(attempt: AttemptLine | undefined): string | null {
  if (!attempt?.startedAt || !attempt.endedAt) return null
  return duration(Math.max(0, Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt)))
}

/** The states of the execution, with the time and the duration of each. */
export function Steps({ execution }: StepsProps) {
  const now = useNow()
  const steps = stepsOf(execution, now)
  const { status } = execution
  return (
    <ol className="flex flex-col gap-0 sm:flex-row">
      {steps.map((step, index) => {
        const last = index === steps.length - 1
        return (
          <li key={step.name} className="relative flex min-w-0 flex-1 flex-col pb-4 pl-5 sm:pr-4 sm:pb-0 sm:pl-0">
            <span
              className={clsx(
                'painted absolute top-1.5 left-0 size-2.5 rounded-full sm:static sm:mb-2',
                last && isInFlight(status) && 'animate-pulse',
              )}
              style={{ background: last ? statusColour(status) : 'var(--color-edge)' }}
              aria-hidden
            />
            {!last && (
              <span
                className="painted absolute top-4 bottom-0 left-1 w-0.5 bg-line sm:top-1 sm:right-1 sm:bottom-auto sm:left-4 sm:h-0.5 sm:w-auto"
                aria-hidden
              />
            )}
            <span className="font-medium text-sm">{step.name}</span>
            {step.at && (
              <span className="text-muted text-xs">
                <Time at={step.at} as="short" />
              </span>
            )}
            {step.length && (
              <span className="text-muted text-xs">
                {step.length.startsWith('in ') ? step.length : `then ${step.length}`}
              </span>
            )}
          </li>
        )
      })}
    </ol>
  )
}
