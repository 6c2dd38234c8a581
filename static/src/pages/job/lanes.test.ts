import { expect, test } from 'vitest'
import { executionRow } from '@/testing/factories'
import { layOut, NOWHERE } from './lanes'

const at = (second: number) => new Date(Date.parse('2026-11-23T07:15:00.000Z') + second * 1_000).toISOString()
const ran = (due: number, end: number | null, nodeName = 'node-1') =>
  executionRow({
    dueTime: at(due),
    startedAt: at(due + 1),
    finishedAt: end === null ? null : at(end),
    durationMillis: end === null ? null : (end - due - 1) * 1_000,
    status: end === null ? 'RUNNING' : 'SUCCESS',
    nodeName,
  })

test('the axis goes from the first due time to now', () => {
  const lanes = layOut([ran(50, 60), ran(0, 10)], Date.parse(at(100)))
  expect([lanes.from, lanes.to]).toEqual([Date.parse(at(0)), Date.parse(at(100))])
  expect(lanes.rows[0]?.bars.map(({ due, start, end }) => [due, start, end])).toEqual([
    [0, 0.01, 0.1],
    [0.5, 0.51, 0.6],
  ])
})

test('what overlaps on a node lies on lanes of its own, what follows shares one', () => {
  const lanes = layOut([ran(0, 30), ran(10, 40), ran(50, 60)], Date.parse(at(100)))
  expect(lanes.rows.map(({ node, lanes }) => [node, lanes])).toEqual([['node-1', 2]])
  expect(lanes.rows[0]?.bars.map((bar) => bar.lane)).toEqual([0, 1, 0])
})

test('what runs reaches to now', () => {
  const bar = layOut([ran(0, null)], Date.parse(at(100))).rows[0]?.bars[0]
  expect(bar?.end).toBe(1)
})

test('each node has a row, and what was not run stands below', () => {
  const skipped = executionRow({
    status: 'SKIPPED',
    dueTime: at(5),
    startedAt: null,
    finishedAt: at(5),
    nodeName: null,
  })
  const lanes = layOut([skipped, ran(0, 10, 'node-2'), ran(20, 30, 'node-1')], Date.parse(at(100)))
  expect(lanes.rows.map((row) => row.node)).toEqual(['node-1', 'node-2', NOWHERE])
})

test('ever so many at once do not make the timeline endless', () => {
  const lanes = layOut(
    [...Array(50).keys()].map(() => ran(0, 90)),
    Date.parse(at(100)),
  )
  expect(lanes.rows[0]?.lanes).toBe(6)
})
