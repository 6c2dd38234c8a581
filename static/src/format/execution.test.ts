import { expect, test } from 'vitest'
import type { ExecutionReason } from '@/api/generated'
import { executionRow } from '@/testing/factories'
import { explanation, isInFlight, lateness, runtime } from './execution'

/** A reason of a newer node. */
const NEWER = 'NEWER' as string as ExecutionReason

test('lateness counts from the due time, not from the fire time', () => {
  const late = executionRow({
    fireTime: '2026-11-23T07:15:00.000Z',
    dueTime: '2026-11-23T07:15:05.000Z',
    startedAt: '2026-11-23T07:15:05.012Z',
  })
  expect(lateness(late)).toBe(12)
  expect(lateness(executionRow({ startedAt: null }))).toBeNull()
})

test('what still runs takes until now', () => {
  const running = executionRow({ startedAt: '2026-11-23T07:15:00.000Z', finishedAt: null, durationMillis: null })
  expect(runtime(running, Date.parse('2026-11-23T07:15:02.500Z'))).toBe(2_500)
  expect(runtime(executionRow({ durationMillis: 77 }), 0)).toBe(77)
})

test('the reason explains more than the status', () => {
  expect(explanation({ status: 'SKIPPED', reason: 'OVERLAP', occurrences: 4 })).toMatch(
    /in flight.*stands for 4 fire times/,
  )
  expect(explanation({ status: 'SUCCESS', reason: null, occurrences: null })).toBe('It succeeded.')
  expect(explanation({ status: 'NEW_WORD', reason: NEWER, occurrences: null })).toBe('Its status is NEW_WORD.')
})

test('between two attempts more are to come, and none runs', () => {
  const waiting = executionRow({
    status: 'RETRYING',
    reason: 'ERROR',
    startedAt: '2026-11-23T07:15:00.000Z',
    finishedAt: null,
    durationMillis: null,
  })
  expect(explanation(waiting)).toBe(
    'The last attempt failed: the target reported an error. The next attempt is scheduled.',
  )
  expect(explanation({ ...waiting, reason: NEWER })).not.toContain('used up')
  expect(runtime(waiting, Date.parse('2026-11-23T07:16:00.000Z'))).toBeNull()
})

test('only what is in flight can be cancelled', () => {
  expect(['RUNNING', 'RETRYING', 'SUCCESS', 'SKIPPED'].filter(isInFlight)).toEqual(['RUNNING', 'RETRYING'])
})
