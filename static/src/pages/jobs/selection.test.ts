import { expect, test } from 'vitest'
import { allThatMatch, filterOfSelection, isSelected, NAMED_MAX, NOTHING, selectedCount, withJob } from './selection'

const FILTER = { search: 'invoice' }

test('jobs are selected one by one and named to the API', () => {
  const two = withJob(withJob(NOTHING, 'a', true), 'b', true)
  expect(isSelected(two, 'a')).toBe(true)
  expect(isSelected(two, 'c')).toBe(false)
  expect(filterOfSelection(two, FILTER)).toEqual({ ids: ['a', 'b'] })
  expect(selectedCount(two, 100)).toBe(2)
})

test('the last one taken away leaves nothing', () => {
  expect(withJob(withJob(NOTHING, 'a', true), 'a', false)).toBe(NOTHING)
})

test('all that match are the filter, whatever is on the screen', () => {
  expect(isSelected(allThatMatch, 'never seen')).toBe(true)
  expect(filterOfSelection(allThatMatch, FILTER)).toBe(FILTER)
  expect(selectedCount(allThatMatch, 12_345)).toBe(12_345)
  expect(selectedCount(allThatMatch, null)).toBeNull()
})

test('no more are named than the API takes', () => {
  const names = [...Array(NAMED_MAX + 1).keys()].map(String)
  const selection = names.reduce((all, id) => withJob(all, id, true), NOTHING)
  expect(selectedCount(selection, null)).toBe(NAMED_MAX)
})
