import { expect, test } from 'vitest'
import { ticksOf } from './ticks'

const at = (...parts: [number, number, number, number?, number?, number?]) => new Date(...parts).getTime()

test('ticks stand at full minutes, hours and days of the clock', () => {
  expect(ticksOf(at(2026, 10, 18, 12, 58, 7), at(2026, 10, 18, 13, 6, 7), 5)).toEqual({
    at: [at(2026, 10, 18, 13, 0), at(2026, 10, 18, 13, 2), at(2026, 10, 18, 13, 4), at(2026, 10, 18, 13, 6)],
    step: 120_000,
  })
  expect(ticksOf(at(2026, 10, 18, 12, 58), at(2026, 10, 21, 3), 5).at).toEqual([
    at(2026, 10, 19),
    at(2026, 10, 20),
    at(2026, 10, 21),
  ])
})

test('there are never more than were asked for, however long the axis is', () => {
  for (const years of [0.1, 1, 3, 30]) {
    const ticks = ticksOf(at(2026, 0, 1, 5), at(2026, 0, 1, 5) + years * 365 * 86_400_000, 5).at
    expect(ticks.length).toBeGreaterThan(0)
    expect(ticks.length).toBeLessThanOrEqual(6)
  }
})
