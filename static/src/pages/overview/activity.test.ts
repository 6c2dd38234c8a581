import { expect, test } from 'vitest'
import { firesPerSecond, latenessNow } from './activity'

const START = Date.parse('2026-11-23T07:15:00.000Z')
const point = (second: number, fires: number, p99: number | null = null) => ({
  at: new Date(START + second * 1_000).toISOString(),
  seconds: 20,
  fires,
  succeeded: fires,
  failed: 0,
  skipped: 0,
  latenessP50Millis: p99 === null ? null : p99 / 2,
  latenessP99Millis: p99,
})
const at = (second: number) => START + second * 1_000

test('the rate is that of the last minute, and the point that is being filled counts as far as it goes', () => {
  const points = [point(0, 4_000), point(20, 200), point(40, 200), point(60, 200), point(80, 100)]
  expect(firesPerSecond(points, at(90))).toBeCloseTo(700 / 70)
})

test('nothing lately is a rate of zero', () => {
  expect(firesPerSecond([], at(0))).toBe(0)
  expect(firesPerSecond([point(0, 100)], at(600))).toBe(0)
})

test('the lateness is the newest that was measured', () => {
  expect(latenessNow([point(0, 1, 8), point(20, 1, 12), point(40, 0)])).toEqual({ p50: 6, p99: 12 })
  expect(latenessNow([point(0, 0)])).toBeNull()
})
