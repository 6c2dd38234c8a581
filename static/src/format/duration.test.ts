import { expect, test } from 'vitest'
import { duration, inUnits } from './duration'

test.each([
  [0.42, '0.42 ms'],
  [2.5, '2.5 ms'],
  [850, '850 ms'],
  [2_437, '2.44 s'],
  [59_940, '59.9 s'],
  [185_000, '3 min 5 s'],
  [7_800_000, '2 h 10 min'],
  [-3_000, '-3 s'],
])('%d ms is "%s"', (millis, words) => {
  expect(duration(millis)).toBe(words)
})

test('an interval has at most two units', () => {
  expect(inUnits(86_400)).toBe('1 d')
  expect(inUnits(90_061)).toBe('1 d 1 h')
})
