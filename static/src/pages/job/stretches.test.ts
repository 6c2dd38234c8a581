import { expect, test } from 'vitest'
import type { ExecutionReason } from '@/api/generated'
import { type LeftOut, stretchesOf } from './stretches'

const at = (seconds: number) => new Date(Date.parse('2026-11-23T07:00:00.000Z') + seconds * 1_000).toISOString()
const [from, to] = [Date.parse(at(0)), Date.parse(at(100))]
const NOTHING: LeftOut = { pauses: [], blackouts: [], executions: [] }
const seconds = (given: Partial<LeftOut>) =>
  stretchesOf({ ...NOTHING, ...given }, from, to).map((one) => [
    one.kind,
    (one.from - from) / 1_000,
    (one.until - from) / 1_000,
  ])

test('pauses are cut at the ends of the axis, and one that goes on lasts to its end', () => {
  const pauses = [
    { from: at(-50), until: at(-10) },
    { from: at(-5), until: at(20) },
    { from: at(90), until: null },
  ]
  expect(seconds({ pauses })).toEqual([
    ['paused', 0, 20],
    ['paused', 90, 100],
  ])
})

const skipped = (first: number, through: number | null, reason: ExecutionReason = 'CALENDAR') => ({
  status: 'SKIPPED',
  reason,
  fireTime: at(first),
  throughFireTime: through === null ? null : at(through),
  occurrences: through === null ? null : 3,
})

test('what a calendar left out lies where its fire times were recorded; an overlap is no exclusion', () => {
  const executions = [skipped(10, 30), skipped(40, null), skipped(50, 60, 'OVERLAP')]
  expect(seconds({ executions })).toEqual([
    ['closed', 10, 30],
    ['closed', 40, 40],
  ])
  const labels = stretchesOf({ ...NOTHING, executions }, from, to).map(({ label }) => label)
  expect(labels[0]).toContain(': 3 fire times left out')
  expect(labels[1]).toContain(': 1 fire time left out')
})

test('a blackout lies where it lasted, and what was recorded for it is not shaded a second time', () => {
  const blackouts = [{ reason: 'database move', startsAt: at(20), endsAt: at(200) }]
  expect(seconds({ blackouts, executions: [skipped(25, 35)] })).toEqual([['closed', 20, 100]])
  expect(stretchesOf({ ...NOTHING, blackouts }, from, to)[0]?.label).toMatch(/^Blackout from .*: database move$/)
})
