import { expect, test } from 'vitest'
import { PRESETS } from './ranges'

test('each preset begins where its words say', () => {
  const now = new Date(2026, 10, 24, 7, 15)
  const begins = Object.fromEntries(PRESETS.map(({ label, from }) => [label, from(now)]))
  expect(begins['Last 24 hours']).toEqual(new Date(2026, 10, 23, 7, 15))
  expect(begins['Since yesterday 18:00']).toEqual(new Date(2026, 10, 23, 18))
  expect(begins['Since yesterday']).toEqual(new Date(2026, 10, 23))
})
