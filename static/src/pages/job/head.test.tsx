import { screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import type { JobQuery } from '@/api/generated'
import { open } from '@/testing/render'

type Job = NonNullable<JobQuery['job']>

const JOB: Job = {
  id: 'j',
  name: 'Payroll',
  description: null,
  tags: [],
  status: 'ACTIVE',
  pausedBecause: null,
  inFlight: 0,
  scheduleType: 'FIXED_RATE',
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
  keepExecutions: null,
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

const see = (given: Partial<Job>) =>
  open('/jobs/j', {
    Job: () => ({ job: { ...JOB, ...given } }),
    JobExecutions: () => ({ job: { executions: { nodes: [], pageInfo: { hasNextPage: false } } } }),
    JobVersions: () => ({ jobVersions: [] }),
    Closures: () => ({ calendars: [], blackouts: [] }),
    Backfills: () => ({ backfills: [] }),
  })

test('the head says what the job calls', async () => {
  await see({})
  expect(await screen.findByText('PUT https://example.com/pay')).toBeTruthy()
})

test('a job that a failure paused leads to that execution', async () => {
  const id = '018f3c00-0000-7000-8000-000000000001'
  await see({ status: 'PAUSED', pausedBecause: `execution ${id} failed` })
  expect((await screen.findByRole('link', { name: id })).getAttribute('href')).toBe(`/executions/${id}`)
})

test('many tags do not push the rest of the head away', async () => {
  await see({ tags: [...Array(9).keys()].map((number) => `tag ${number}`) })
  expect(await screen.findByText('and 3 more tags')).toBeTruthy()
  expect(screen.queryByRole('link', { name: 'tag 6' })).toBeNull()
})

test('a job that does not exist has a heading and a title of its own', async () => {
  await open('/jobs/j', { Job: () => ({ job: null }) })
  await screen.findByRole('heading', { level: 1, name: 'There is no such job' })
  expect(document.title).toBe('There is no such job · Horolog')
})
