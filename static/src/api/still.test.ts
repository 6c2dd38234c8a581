import { expect, test } from 'vitest'
import { heldPage, withheld } from './still'

const page = (nodes: string[], endCursor: string) => ({
  nodes: nodes.map((text) => ({ id: text.charAt(0), text })),
  totalCount: null,
  pageInfo: { hasNextPage: true, endCursor },
})
const keyOf = (row: { id: string }) => row.id

test('rows keep their places and show what is new of them', () => {
  const held = heldPage(page(['a1', 'b1', 'c1'], 'c'), page(['z1', 'b2', 'a2'], 'a'), keyOf)
  expect(held.nodes.map(({ text }) => text)).toEqual(['a2', 'b2', 'c1'])
})

test('the next page begins where it began', () => {
  expect(heldPage(page(['a1', 'b1'], 'b'), page(['z1', 'a1'], 'a'), keyOf).pageInfo.endCursor).toBe('b')
})

test('what came is counted, and an order that changed is known', () => {
  expect(withheld(page(['a1', 'b1'], 'b'), page(['y1', 'z1'], 'z'), keyOf)).toEqual({ arrived: 2, moved: true })
  expect(withheld(page(['a1', 'b1'], 'b'), page(['b1', 'a1'], 'a'), keyOf)).toEqual({ arrived: 0, moved: true })
  expect(withheld(page(['a1', 'b1'], 'b'), page(['a2', 'b2'], 'b'), keyOf)).toEqual({ arrived: 0, moved: false })
})
