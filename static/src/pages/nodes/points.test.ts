import { expect, test } from 'vitest'
import { bytes, percent, slots } from './points'

test('sizes and shares are short', () => {
  expect([0, 999, 1_000, 12_345_678, 812_000_000, 1_240_000_000].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1 kB',
    '12 MB',
    '812 MB',
    '1.2 GB',
  ])
  expect([0, 0.354, 2].map(percent)).toEqual(['0 %', '35 %', '200 %'])
  expect([0, 3.46, 12.3].map(slots)).toEqual(['0', '3.5', '12'])
})
