import { describe, expect, it } from 'vitest'
import { type Row, rowsOf } from './heat'

const fires = (row: Row | undefined) => row?.cells.map((cell) => cell?.fires ?? null)

describe('the heat map', () => {
  it('has a row for each hour and leaves out what is past', () => {
    const rows = rowsOf('2026-11-24T10:20:00.000Z', 600, [1, 0, 10, 5, 0, 2, 3], 'hour', 'UTC')
    expect(rows.map(fires)).toEqual([
      [null, null, 1, 0, 10, 5],
      [0, 2, 3, null, null, null],
    ])
    expect(rows[0]?.cells[2]?.at).toBe('2026-11-24T10:20:00.000Z')
  })

  it('is as hot as the share of the fullest', () => {
    const [row] = rowsOf('2026-11-24T10:00:00.000Z', 600, [0, 1, 50, 100], 'hour', 'UTC')
    expect(row?.cells.slice(0, 4).map((cell) => cell?.heat)).toEqual([0, 1, 3, 5])
  })

  it('begins its hours at whole hours of a zone that is half an hour off', () => {
    const rows = rowsOf('2026-11-24T10:20:00.000Z', 600, [1, 2, 3], 'hour', 'Asia/Kolkata')
    expect(rows.map(fires)).toEqual([
      [null, null, null, null, null, 1],
      [2, 3, null, null, null, null],
    ])
  })

  it('keeps days apart where the clock goes back: the hour that comes twice is one cell', () => {
    // 25 October 2026 has 25 hours in Berlin; it begins at 22:00 UTC.
    const rows = rowsOf('2026-10-24T22:00:00.000Z', 3_600, Array(49).fill(1), 'day', 'Europe/Berlin')
    expect(rows.map(fires)).toEqual([[1, 1, 2, ...Array(21).fill(1)], Array(24).fill(1)])
  })

  it('keeps days apart where it goes forward: the hour that does not come is empty', () => {
    const rows = rowsOf('2026-03-28T23:00:00.000Z', 3_600, Array(23 + 24).fill(1), 'day', 'Europe/Berlin')
    expect(rows.map(fires)).toEqual([[1, 1, null, ...Array(21).fill(1)], Array(24).fill(1)])
  })
})
