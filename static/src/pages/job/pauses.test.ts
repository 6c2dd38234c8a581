import { expect, test } from 'vitest'
import { pausesOf } from './pauses'

const change = (what: string, minute: number) => ({ change: what, changedAt: `2026-11-23T07:0${minute}:00.000Z` })

test('a pause lasts until the resume or the deletion, over edits', () => {
  const versions = [
    change('PAUSED', 7),
    change('RESUMED', 5),
    change('UPDATED', 4),
    change('PAUSED', 3),
    change('CREATED', 1),
  ]
  expect(pausesOf(versions)).toEqual([
    { from: '2026-11-23T07:03:00.000Z', until: '2026-11-23T07:05:00.000Z' },
    { from: '2026-11-23T07:07:00.000Z', until: null },
  ])
  expect(pausesOf([change('DELETED', 8), ...versions]).at(-1)?.until).toBe('2026-11-23T07:08:00.000Z')
  expect(pausesOf([])).toEqual([])
})
