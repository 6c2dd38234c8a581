// A job's schedule in words, as good as it can be said without the server; `previewSchedule` says it with the next times.

import cronstrue from 'cronstrue'
import type { JobScheduleType } from '@/api/generated'
import { inUnits } from './duration'

export interface ScheduleFields {
  scheduleType: JobScheduleType
  cronExpression?: string | null
  intervalSeconds?: number | null
  startAt?: string | null
}

/** The zone that a job's times belong to; none where no clock decides: an interval or an instant has no zone. */
export function zoneOf(job: { scheduleType: JobScheduleType; timeZone: string }): string | undefined {
  return job.scheduleType === 'CRON' ? job.timeZone : undefined
}

const NICKNAMES: Record<string, string> = {
  '@hourly': 'Every hour',
  '@daily': 'Every day at 00:00',
  '@midnight': 'Every day at 00:00',
  '@weekly': 'Every Sunday at 00:00',
  '@monthly': 'On the first of every month at 00:00',
  '@yearly': 'On 1 January at 00:00',
  '@annually': 'On 1 January at 00:00',
}

const cache = new Map<string, string>()

/** "At 09:00, Monday through Friday", "Every 5 min", "30 s after each run", "Once". */
export function describeSchedule(schedule: ScheduleFields): string {
  const every = inUnits(schedule.intervalSeconds ?? 0)
  switch (schedule.scheduleType) {
    case 'CRON':
      return describeCron(schedule.cronExpression ?? '')
    case 'FIXED_RATE':
      return `Every ${every}`
    case 'FIXED_DELAY':
      return `${every} after each run`
    case 'ONCE':
      return 'Once'
  }
}

/** A cron expression in words; the expression itself when it has none (`H`, or a form that this library does not know). */
export function describeCron(expression: string): string {
  const known = cache.get(expression)
  if (known) return known
  const words = NICKNAMES[expression.trim().toLowerCase()] ?? describe(expression)
  cache.set(expression, words)
  return words
}

function describe(expression: string): string {
  const fields = expression.trim().split(/\s+/)
  if (isBeyondTheLibrary(fields)) return expression
  if (fields.some((field) => /(^|[^A-Z])H/i.test(field) && !/THU|MAR/i.test(field))) return expression
  try {
    return cronstrue.toString(fields.join(' '), {
      use24HourTimeFormat: true,
      // Unix counts the days of the week from 0, Quartz (six and seven fields) from 1.
      dayOfWeekStartIndexZero: fields.length === 5,
    })
  } catch {
    return expression
  }
}

/** Whether both days count in five fields, where it does not tell *or* from *and*, or a range of special days (`MON-FRI#2`). */
function isBeyondTheLibrary(fields: string[]): boolean {
  const [, , monthDays = '*', , weekDays = '*'] = fields
  const isEvery = (days: string) => days === '*' || days === '?'
  return fields.length === 5 && ((!isEvery(monthDays) && !isEvery(weekDays)) || /-.*[#L]/i.test(weekDays))
}
