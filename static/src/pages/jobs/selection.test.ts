import { expect, test } from 'vitest'
import { allThatMatch, isSelected, NAMED_MAX, NOTHING, selectedCount, withRow } from '@/lib/selection'
import { jobsOfSelection } from './selection'

const FILTER = { search: 'invoice' }

test('jobs are selected one by one and named to the API', () => {
  const two = withRow(withRow(NOTHING, 'a', true), 'b', true)
  expect(isSelected(two, 'a')).toBe(true)
  expect(isSelected(two, 'c')).toBe(false)
  expect(jobsOfSelection(two, FILTER)).toEqual({ filter: { ids: ['a', 'b'] }, all: false })
  expect(selectedCount(two, 100)).toBe(2)
})

test('the last one taken away leaves nothing', () => {
  expect(withRow(withRow(NOTHING, 'a', true), 'a', false)).toBe(NOTHING)
})

test('all that match are the filter, whatever is on the screen', () => {
  expect(isSelected(allThatMatch, 'never seen')).toBe(true)
  expect(jobsOfSelection(allThatMatch, FILTER)).toEqual({ filter: FILTER, all: false })
  expect(selectedCount(allThatMatch, 12_345)).toBe(12_345)
  expect(selectedCount(allThatMatch, null)).toBeNull()
})

test('all jobs are meant by name when no condition leaves any out', () => {
  const filter = { search: null, tags: null }
  expect(jobsOfSelection(allThatMatch, filter)).toEqual({ filter, all: true })
})

test('no more are named than the API takes', () => {
  const names = [...Array(NAMED_MAX + 1).keys()].map(String)
  const selection = names.reduce((all, id) => withRow(all, id, true), NOTHING)
  expect(selectedCount(selection, null)).toBe(NAMED_MAX)
})
