import { expect, test } from 'vitest'
import { afterExclusion, badgesOf, isExcludedNow } from './job'

test('a failing job that is paused says both', () => {
  expect(badgesOf({ status: 'PAUSED', state: 'FAILING' })).toEqual(['PAUSED', 'FAILING'])
  expect(badgesOf({ status: 'PAUSED', state: 'PAUSED' })).toEqual(['PAUSED'])
  expect(badgesOf({ status: 'ACTIVE', state: 'ENDED' })).toEqual(['ENDED'])
})

test('a blackout ahead is not in force, a calendar that closes is', () => {
  const now = Date.parse('2026-11-23T07:15:00.000Z')
  expect(isExcludedNow({ from: '2026-11-23T08:00:00.000Z' }, now)).toBe(false)
  expect(isExcludedNow({ from: '2026-11-23T07:00:00.000Z' }, now)).toBe(true)
  expect(isExcludedNow({ from: null }, now)).toBe(true)
})

test('what an exclusion leaves at its end is said', () => {
  expect(afterExclusion({ onEnd: 'COLLAPSE' })).toContain('One of its fire times')
  expect(afterExclusion({ onEnd: 'RUN_ALL' })).toContain('All')
  expect(afterExclusion({ onEnd: null })).toContain('skipped')
})
