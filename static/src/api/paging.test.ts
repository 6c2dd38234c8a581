import { expect, test } from 'vitest'
import { type Chain, pageOf, rowCount, START, saidBy, withPage } from './paging'

const SIZE = 100
const chain = (...said: [length: number, end: string | null][]): Chain =>
  said.reduce((all, [length, end], page) => withPage(all, { page, length, end }), START)

test('a page that was read says how long it is and where the next begins, or that there is none', () => {
  const pageInfo = { hasNextPage: true, endCursor: 'a' }
  expect(saidBy(3, { nodes: [1, 2], totalCount: null, pageInfo })).toEqual({ page: 3, length: 2, end: 'a' })
  expect(saidBy(3, { nodes: [], totalCount: null, pageInfo: { ...pageInfo, hasNextPage: false } }).end).toBeNull()
})

test('pages chain as they are read', () => {
  expect(chain([SIZE, 'a'], [SIZE, 'b']).after).toEqual([null, 'a', 'b'])
  expect(rowCount(chain([SIZE, 'a'], [7, null]), SIZE)).toBe(107)
})

test('nothing new is the same chain, so that nothing is drawn again', () => {
  const known = chain([SIZE, 'a'], [7, null])
  expect(withPage(known, { page: 0, length: SIZE, end: 'a' })).toBe(known)
  expect(withPage(known, { page: 1, length: 7, end: null })).toBe(known)
  expect(withPage(known, { page: 9, length: 7, end: 'x' })).toBe(known)
})

test('rows that came or went move the next page and keep those behind it', () => {
  const known = chain([SIZE, 'a'], [SIZE, 'b'])
  expect(withPage(known, { page: 0, length: SIZE, end: 'c' }).after).toEqual([null, 'c', 'b'])
})

test('a list that became shorter ends where its last page says', () => {
  const known = withPage(chain([SIZE, 'a'], [SIZE, 'b']), { page: 1, length: 3, end: null })
  expect(known.after).toEqual([null, 'a'])
  expect(rowCount(known, SIZE)).toBe(103)
})

test('a page on its way has room', () => {
  expect(rowCount(START, SIZE)).toBe(SIZE)
  expect(rowCount(chain([SIZE, 'a']), SIZE)).toBe(2 * SIZE)
  expect(rowCount(chain([0, null]), SIZE)).toBe(0)
})

test('a page that is short, or empty, and still has a next one leaves no hole', () => {
  const sparse = chain([2, 'a'], [0, 'b'], [3, 'c'])
  expect([0, 1, 2, 4, 5].map((row) => pageOf(sparse, row, SIZE))).toEqual([
    { page: 0, place: 0 },
    { page: 0, place: 1 },
    { page: 2, place: 0 },
    { page: 2, place: 2 },
    { page: 3, place: 0 },
  ])
  expect(rowCount(sparse, SIZE)).toBe(2 + 0 + 3 + SIZE)
})
