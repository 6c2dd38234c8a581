import { expect, test } from 'vitest'
import { type Cell, marksOf, marksOfRuns } from './marks'
import { axisOf, RUNS, SPANS } from './views'

const NOW = Date.parse('2026-11-23T07:15:00.000Z')
const axis = axisOf(SPANS['1h'], NOW)
const at = (minute: number) => new Date(axis.from + minute * 60_000).toISOString()
const cell = (given: Partial<Cell>): Cell => ({
  cell: 0,
  executionId: 'e',
  status: 'SUCCESS',
  reason: null,
  at: at(0),
  durationMillis: 0,
  several: false,
  failures: 0,
  ...given,
})
const places = (cells: Cell[], from = axis.from) => marksOf(cells, from, axis, NOW).map(({ from, to }) => [from, to])

test('the axis ends with the cell that goes on', () => {
  expect(new Date(axis.to).toISOString()).toBe('2026-11-23T07:16:00.000Z')
  expect(axis.to - axis.from).toBe(3_600_000)
})

test('an execution alone lies where it ran, what has company fills its cell', () => {
  expect(places([cell({ at: at(6), durationMillis: 180_000, cell: 6 })])).toEqual([[0.1, 0.15]])
  expect(places([cell({ at: at(6.5), durationMillis: 10, cell: 6, several: true })])).toEqual([[6 / 60, 7 / 60]])
})

test('what runs reaches to now, what began before the axis from its beginning', () => {
  expect(places([cell({ at: at(30), status: 'RUNNING', durationMillis: null, cell: 30 })])).toEqual([[0.5, 59 / 60]])
  expect(places([cell({ at: at(-30), durationMillis: 3_600_000, cell: -1, several: true })])).toEqual([[0, 0.5]])
})

test('what an older answer has beyond the axis is left out', () => {
  expect(places([cell({ at: at(-5), durationMillis: 1, cell: 0 })])).toEqual([])
  expect(places([cell({ at: at(-0.5), durationMillis: 1, cell: 0, several: true })], axis.from - 60_000)).toEqual([])
})

test('a mark says what it stands for', () => {
  const marks = marksOf(
    [cell({ status: 'FAILED', reason: 'TIMEOUT', several: true, failures: 1_200, durationMillis: 2_000 })],
    axis.from,
    axis,
    NOW,
  )
  expect(marks[0]?.label).toMatch(
    /^.* to \d\d:\d\d: 1,200 failed\. The newest of them:\nFailed · Timeout\n.*\nTook 2 s$/,
  )
})

test('the newest of the last runs stands at the right', () => {
  const run = (id: string, status: string) => ({
    id,
    status,
    reason: null,
    fireTime: at(0),
    startedAt: null,
    durationMillis: null,
  })
  const marks = marksOfRuns([run('new', 'LOST'), run('old', 'SKIPPED')])
  expect(marks.map(({ id, to, failures }) => [id, to, failures])).toEqual([
    ['new', 1, 1],
    ['old', 1 - 1 / RUNS, 0],
  ])
})
