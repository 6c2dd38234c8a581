import { screen, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import type { JobQuery } from '@/api/generated'
import { last, open, pageOf } from '@/testing/render'

type Job = NonNullable<JobQuery['job']>

const once: Job = {
  id: 'j',
  name: 'Export',
  description: null,
  tags: [],
  status: 'PAUSED',
  pausedBecause: 'the target moves',
  inFlight: 0,
  scheduleType: 'ONCE',
  cronExpression: null,
  intervalSeconds: null,
  initialDelaySeconds: null,
  timeZone: 'UTC',
  dstGap: 'RUN_AT_GAP_END',
  dstOverlap: 'AUTO',
  calendar: null,
  startAt: '2026-11-23T07:00:00.000Z',
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
  target: { log: {} },
  payload: null,
  version: 1,
  createdAt: '2026-11-23T06:00:00.000Z',
  updatedAt: '2026-11-23T06:30:00.000Z',
  nextFireTime: null,
  missedFireTime: null,
  previousFireTime: null,
  nextFireTimes: [],
}

function see(given: Partial<Job>) {
  return open('/jobs/j', {
    Job: () => ({ job: { ...once, ...given } }),
    JobExecutions: () => ({ job: { executions: pageOf([]) } }),
    JobVersions: () => ({ jobVersions: [] }),
    Backfills: () => ({ backfills: [] }),
    Closures: () => ({ calendars: [], blackouts: [] }),
    ResumeJob: () => ({ resumeJob: { id: 'j', nextFireTime: null } }),
  })
}

test('a paused job says why, and what is held until it is resumed', async () => {
  await see({})
  expect(
    await screen.findByText(/what waits behind an execution or for its next attempt is held until then/),
  ).toBeTruthy()
  expect(screen.getByText(/the target moves/)).toBeTruthy()
  expect(screen.queryByRole('button', { name: 'Resume and run' })).toBeNull()
})

test('one that was paused over its only time says so, and runs with the resume', async () => {
  const { asked, user } = await see({ missedFireTime: '2026-11-23T07:00:00.000Z' })
  expect(await screen.findByText(/has passed: it runs only if you resume and run it/)).toBeTruthy()
  await user.click(within(screen.getByRole('main')).getByRole('button', { name: 'Resume and run' }))
  await screen.findByText('“Export” fires again.')
  expect(last(asked, 'ResumeJob')).toEqual({ id: 'j', runMissed: true })
})
