import { expect, test } from 'vitest'
import { blackoutsOf } from './concerning'

const HOUR = { startsAt: '2026-11-23T07:00:00.000Z', endsAt: '2026-11-23T08:00:00.000Z' }

test('a job is concerned by its own blackouts, those of its tags and those of all jobs', () => {
  const blackouts = [
    { ...HOUR, jobId: 'j', tag: null },
    { ...HOUR, jobId: null, tag: 'reports' },
    { ...HOUR, jobId: null, tag: null },
    { ...HOUR, jobId: 'other', tag: null },
    { ...HOUR, jobId: null, tag: 'billing' },
    { ...HOUR, endsAt: HOUR.startsAt, jobId: 'j', tag: null },
  ]
  expect(blackoutsOf({ id: 'j', tags: ['reports'] }, blackouts)).toEqual(blackouts.slice(0, 3))
})
