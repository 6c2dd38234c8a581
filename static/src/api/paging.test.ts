import { expect, test } from 'vitest'
import { known, rowCount, withCursor } from './paging'

const page = (hasNextPage: boolean, endCursor: string | null) => ({
  nodes: [],
  totalCount: null,
  pageInfo: { hasNextPage, endCursor },
})

test('a page that was read says where the next begins, or that there is none', () => {
  expect(known(undefined, () => page(true, 'a'))).toBeUndefined()
  expect(known({}, () => page(true, 'a'))).toBe('a')
  expect(known({}, () => page(false, 'a'))).toBeNull()
})

test('pages chain as they are read', () => {
  const one = withCursor([null], 0, 'a')
  expect(withCursor(one, 1, 'b')).toEqual([null, 'a', 'b'])
})

test('nothing new is the same array, so that nothing is drawn again', () => {
  const after = [null, 'a', 'b']
  expect(withCursor(after, 0, 'a')).toBe(after)
  expect(withCursor(after, 2, null)).toBe(after)
  expect(withCursor(after, 7, 'x')).toBe(after)
})

test('rows that came or went move the next page and keep those behind it', () => {
  expect(withCursor([null, 'a', 'b'], 0, 'c')).toEqual([null, 'c', 'b'])
})

test('a list that became shorter ends where its last page says', () => {
  expect(withCursor([null, 'a', 'b'], 1, null)).toEqual([null, 'a'])
})

test('a page on its way has room', () => {
  expect(rowCount(1, undefined, 100)).toBe(100)
  expect(rowCount(3, 7, 100)).toBe(207)
  expect(rowCount(1, 0, 100)).toBe(0)
})
