import { describe, expect, it } from 'vitest'
import { levelsOf, type Row, rowsOf, scaleOf } from './heat'

const fires = (row: Row | undefined) => row?.cells.map((cell) => cell?.fires ?? null)

/** So many hours of minutes with one fire time in the first minute of each of `every`. */
const minutes = (hours: number, every = 60) => [...Array(hours * 60).keys()].map((minute) => (minute % every ? 0 : 1))

describe('the heat map', () => {
  it('has what fires at 02:00 under 02:00, whenever the plan begins', () => {
    // Planned at 21:46; the 254th minute after it is 02:00.
    const plan = [...Array(24 * 60).keys()].map((minute) => (minute === 254 ? 1 : 0))
    const hours = rowsOf('2026-11-24T21:46:00.000Z', plan, 'hour', 10, 'UTC')
    expect(fires(hours[0])).toEqual([null, null, null, null, 0, 0])
    expect(hours[5]?.cells[0]).toMatchObject({
      at: '2026-11-25T02:00:00.000Z',
      to: '2026-11-25T02:10:00.000Z',
      fires: 1,
    })
    const days = rowsOf('2026-11-24T21:46:00.000Z', plan, 'day', 60, 'UTC')
    expect(fires(days[1])?.indexOf(1)).toBe(2)
  })

  it('shows what fires once beside what fires each second', () => {
    const rows = rowsOf('2026-11-24T10:00:00.000Z', [1, 0, 50, 3_600], 'hour', 1, 'UTC')
    expect(rows[0]?.cells.slice(0, 4).map((cell) => cell?.heat)).toEqual([1, 0, 3, 5])
  })

  it('takes what all cells have as the ground: a probe each second does not hide the night job', () => {
    const plan = Array(24 * 60).fill(60)
    plan[254] += 1
    const rows = rowsOf('2026-11-24T21:46:00.000Z', plan, 'hour', 10, 'UTC')
    const cells = rows.flatMap((row) => row.cells).filter((cell) => cell !== null)
    expect(cells.filter((cell) => cell.heat !== 1).map(({ at, heat }) => [at, heat])).toEqual([
      ['2026-11-25T02:00:00.000Z', 5],
    ])
    expect(scaleOf(rows)).toEqual({ common: 60, most: 1 })
    expect(levelsOf({ common: 60, most: 1 })).toEqual([{ heat: 5, from: 1, to: 1 }])
  })

  it('says what each heat means, without a gap and up to the fullest', () => {
    expect(levelsOf({ common: 0, most: 3_600 })).toEqual([
      { heat: 1, from: 1, to: 4 },
      { heat: 2, from: 5, to: 25 },
      { heat: 3, from: 26, to: 135 },
      { heat: 4, from: 136, to: 699 },
      { heat: 5, from: 700, to: 3_600 },
    ])
    expect(levelsOf({ common: 0, most: 1 })).toEqual([{ heat: 5, from: 1, to: 1 }])
    expect(levelsOf({ common: 0, most: 2 })).toEqual([
      { heat: 4, from: 1, to: 1 },
      { heat: 5, from: 2, to: 2 },
    ])
  })

  it('begins its hours at whole hours of a zone that is half an hour off', () => {
    const rows = rowsOf('2026-11-24T10:20:00.000Z', minutes(1, 10).slice(0, 30), 'hour', 10, 'Asia/Kolkata')
    expect(rows.map(fires)).toEqual([
      [null, null, null, null, null, 1],
      [1, 1, null, null, null, null],
    ])
  })

  it('keeps days apart where the clock goes back: the hour that comes twice is one cell', () => {
    // 25 October 2026 has 25 hours in Berlin; it begins at 22:00 UTC.
    const rows = rowsOf('2026-10-24T22:00:00.000Z', minutes(49), 'day', 60, 'Europe/Berlin')
    expect(rows.map(fires)).toEqual([[1, 1, 2, ...Array(21).fill(1)], Array(24).fill(1)])
  })

  it('keeps days apart where it goes forward: the hour that does not come is empty', () => {
    const rows = rowsOf('2026-03-28T23:00:00.000Z', minutes(23 + 24), 'day', 60, 'Europe/Berlin')
    expect(rows.map(fires)).toEqual([[1, 1, null, ...Array(21).fill(1)], Array(24).fill(1)])
  })
})
