import { describe, expect, it } from 'vitest'
import { rowsOf } from './heat'

describe('the heat map', () => {
  it('begins each row at a whole hour and leaves out what is past', () => {
    const rows = rowsOf('2026-11-24T10:20:00.000Z', 600, [1, 0, 10, 5, 0, 2, 3], 6, (at) =>
      at.toISOString().slice(11, 16),
    )
    expect(rows.map((row) => row.label)).toEqual(['10:00', '11:00'])
    expect(rows[0]?.cells.map((cell) => cell?.fires ?? null)).toEqual([null, null, 1, 0, 10, 5])
    expect(rows[1]?.cells.map((cell) => cell?.fires ?? null)).toEqual([0, 2, 3, null, null, null])
    expect(rows[0]?.cells[2]?.at).toBe('2026-11-24T10:20:00.000Z')
  })

  it('is as hot as the share of the fullest', () => {
    const [row] = rowsOf('2026-11-24T10:00:00.000Z', 600, [0, 1, 50, 100], 6, () => '')
    expect(row?.cells.slice(0, 4).map((cell) => cell?.heat)).toEqual([0, 1, 3, 5])
  })
})
