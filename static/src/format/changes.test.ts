import { expect, test } from 'vitest'
import { changesOf } from './changes'

test('only what differs is a change, also inside objects', () => {
  const before = { version: 1, name: 'a', interval_seconds: 60, policies: { retry: { maxAttempts: 1 } } }
  const after = { version: 2, name: 'a', interval_seconds: 300, policies: { retry: { maxAttempts: 3 } } }
  expect(changesOf(before, after)).toEqual([
    { field: 'interval_seconds', before: '60', after: '300' },
    { field: 'policies.retry.maxAttempts', before: '1', after: '3' },
  ])
})

test('what came and what went', () => {
  expect(changesOf({ tags: ['x'] }, { pause_reason: 'moved' })).toEqual([
    { field: 'pause_reason', before: '–', after: 'moved' },
    { field: 'tags', before: '["x"]', after: '–' },
  ])
  expect(changesOf({ a: null }, {})).toEqual([])
})
