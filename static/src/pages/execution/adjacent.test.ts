import { expect, test } from 'vitest'
import { adjacentTo, type Reader } from './adjacent'

const NOW = Date.parse('2026-11-30T00:00:00Z')

/** Executions at these instants, with ids that sort as they do; lists hold `most`. */
function history(instants: number[], most = 3) {
  const rows = instants
    .toSorted((one, other) => one - other)
    .map((at, place) => ({ id: String(place).padStart(4, '0'), fireTime: new Date(at).toISOString() }))
  let reads = 0
  const newest = rows.toReversed()
  const reader: Reader = {
    before: async (id) => newest.find((row) => row.id < id) ?? null,
    range: async (from, to) => {
      reads += 1
      const found = newest.filter(({ fireTime }) => Date.parse(fireTime) >= from && Date.parse(fireTime) < to)
      return { nodes: found.slice(0, most), complete: found.length <= most }
    },
  }
  const adjacent = async (place: number) => {
    const row = rows[place]
    if (!row) throw new Error(`there is no ${place}`)
    const found = await adjacentTo(row, NOW, reader)
    return [found.previous, found.next].map((id) => (id === null ? null : Number(id)))
  }
  return { adjacent, reads: () => reads }
}

const HOUR = 3_600_000

test('of a regular history, with one read for the next one', async () => {
  const { adjacent, reads } = history(
    Array.from({ length: 50 }, (_, n) => NOW - (50 - n) * HOUR),
    10,
  )
  expect(await adjacent(20)).toEqual([19, 21])
  expect(reads()).toBe(1)
})

test('the first has none before it, and the last none after it', async () => {
  const { adjacent } = history([NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR])
  expect(await adjacent(0)).toEqual([null, 1])
  expect(await adjacent(2)).toEqual([1, null])
  expect(await history([NOW - HOUR]).adjacent(0)).toEqual([null, null])
})

test('across a pause of years, and before a burst', async () => {
  const year = 365 * 24 * HOUR
  const burst = Array.from({ length: 40 }, (_, n) => NOW - HOUR + n)
  const { adjacent } = history([NOW - 9 * year, NOW - 9 * year + 1_000, NOW - 2 * year, ...burst])
  expect(await adjacent(1)).toEqual([0, 2])
  expect(await adjacent(2)).toEqual([1, 3])
  expect(await adjacent(3)).toEqual([2, 4])
  expect(await adjacent(20)).toEqual([19, 21])
})

test('of several executions of one fire time, such as reruns', async () => {
  const { adjacent } = history([NOW - 2 * HOUR, NOW - HOUR, NOW - HOUR, NOW - HOUR, NOW - 1_000], 10)
  expect(await adjacent(1)).toEqual([0, 2])
  expect(await adjacent(2)).toEqual([1, 3])
  expect(await adjacent(3)).toEqual([2, 4])
})
