import { expect, test } from 'vitest'
import type { ExecutionFilter } from '@/api/generated'
import { allThatMatch, NOTHING, withRow } from '@/lib/selection'
import { cancelledBy, repeatedBy } from './selection'

const FILTER: ExecutionFilter = { status: ['FAILED'], jobId: null }
const one = withRow(NOTHING, 'a', true)

test('what is ticked is named, and what is ticked runs again however it ended', () => {
  expect(cancelledBy(one, FILTER)).toEqual({ filter: { ids: ['a'] }, all: false })
  const ended = ['SUCCESS', 'FAILED', 'CANCELLED', 'LOST', 'SKIPPED']
  expect(repeatedBy(one, FILTER)).toEqual({ filter: { ids: ['a'], status: ended }, all: false })
})

test('all that match are the filter, and all are meant by name when it leaves out none', () => {
  expect(repeatedBy(allThatMatch, FILTER)).toEqual({ filter: FILTER, all: false })
  expect(cancelledBy(allThatMatch, { jobId: null })).toEqual({ filter: { jobId: null }, all: true })
})
