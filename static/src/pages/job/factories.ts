import type { JobQuery } from '@/api/generated'
import { type Answers, open, pageOf } from '@/testing/render'

export type JobOfPage = NonNullable<JobQuery['job']>

/** A job as its page reads it. */
const JOB: JobOfPage = {
  id: 'j',
  name: 'Payroll',
  namespace: 'default',
  description: null,
  tags: [],
  status: 'ACTIVE',
  state: 'ACTIVE',
  hasEnded: false,
  failing: null,
  excludedBy: null,
  pauseReason: null,
  inFlight: 0,
  scheduleType: 'FIXED_RATE',
  scheduleDescription: 'every minute',
  cronExpression: null,
  intervalSeconds: 60,
  initialDelaySeconds: null,
  timeZone: 'UTC',
  dstGap: 'RUN_AT_GAP_END',
  dstOverlap: 'AUTO',
  calendar: null,
  startAt: null,
  endAt: null,
  maxRuns: null,
  retainExecutions: null,
  jitterSeconds: 0,
  priority: 5,
  misfirePolicy: 'FIRE_ONCE',
  misfireGraceSeconds: 60,
  catchUpWindowSeconds: null,
  maxCatchUp: null,
  overlapPolicy: 'ALLOW',
  timeoutSeconds: null,
  retry: { maxAttempts: 1, initialBackoffSeconds: 5, maxBackoffSeconds: 3600, multiplier: 2 },
  pauseOnFailure: false,
  recovery: 'RERUN',
  maxRecoveries: 3,
  target: { http: { url: 'https://example.com/pay', method: 'PUT' } },
  payload: null,
  version: 1,
  createdAt: null,
  updatedAt: null,
  nextFireTime: null,
  missedFireTime: null,
  previousFireTime: null,
  nextFireTimes: [],
}

/** Opens the page of a job without executions. */
export function openJob(given: Partial<JobOfPage>, more: Answers = {}) {
  return open('/jobs/j', {
    Job: () => ({ job: { ...JOB, ...given } }),
    JobExecutions: () => ({ job: { executions: pageOf([]) } }),
    JobVersions: () => ({ jobVersions: [] }),
    Backfills: () => ({ backfills: [] }),
    Exclusions: () => ({ calendars: [], blackouts: [] }),
    ResumeJob: () => ({ resumeJob: { id: 'j', nextFireTime: null } }),
    ...more,
  })
}
